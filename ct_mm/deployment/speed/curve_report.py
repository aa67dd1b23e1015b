"""Shows the hybrids of a student as a table and a plot."""
from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from ct_mm.deployment.speed.curve import best_hybrids
from ct_mm.tracking.evaluation.reports.result_tables import markdown_table, number, plural


def format_curve(curve: Mapping) -> str:
    """Formats all trackers as a Markdown table, from the fewest layers to the most."""
    trackers, best = curve['trackers'], set(best_hybrids(curve).values())
    teacher = trackers.get('teacher', {})
    rows = []
    for name, facts in sorted(trackers.items(), key=lambda item: (item[1]['layers'] or 0, -item[1]['ao'])):
        hybrid = facts['kind'] == 'hybrid'
        title = f'path {name}' if hybrid else name
        rows.append((f'**{title}**' if hybrid and name in best else title, str(facts['layers']),
                     f'{facts["parameters"] / 1e6:.2f}', f'{facts["macs"] / 1e9:.3f}',
                     number(facts.get('ms', float('nan')), '.2f'),
                     f'{teacher["ms"] / facts["ms"]:.2f}x' if 'ms' in facts and 'ms' in teacher else '-',
                     f'{facts["ao"]:.3f}', f'{facts["ao"] / teacher["ao"]:.1%}' if teacher.get('ao') else '-'))
    header = ('tracker', 'layers', 'parameters (M)', 'GMACs', 'ms per frame', 'speed', 'AO', 'of the teacher')
    return markdown_table(header, rows)


def describe_curve(curve: Mapping) -> str:
    """Says how the numbers were measured."""
    speed, names = curve['speed'], curve['about']['sequences']
    some = curve['trackers'].values()
    frames = sum(each['frames'] for each in next(iter(some))['sequences'].values()) if some else 0
    text = (f'1 in a path: the student runs the stage; 0: the teacher. Bold: the best path of its depth on these '
            f'sequences. AO over {frames} frames of {len(names)} sequences: {", ".join(names)}.')
    if speed:
        text += (f' Times: eager PyTorch {speed["torch"]} on {speed["device"]}, {plural(speed["threads"], "thread")}, '
                 f'all trackers in turn on one frame, medians of {speed["rounds"]}.')
    return text


def plot_curve(curve: Mapping, title: str) -> Figure:
    """Plots AO against the time of a frame: all paths, a line through the best of each depth, and the other trackers.

    Raises:
        ValueError: If no tracker has a time.
    """
    timed = {name: facts for name, facts in curve['trackers'].items() if 'ms' in facts}
    if not timed:
        raise ValueError('nothing to plot: no tracker has a time yet')
    figure = Figure(figsize=(7.5, 4.5), layout='constrained')
    axes = figure.subplots()
    best = [name for name in best_hybrids(curve).values() if name in timed]
    rest = [name for name, facts in timed.items() if facts['kind'] == 'hybrid' and name not in best]

    def draw(names: list[str], label: str, **style: object) -> None:
        if names:
            points = [(timed[name]['ms'], timed[name]['ao']) for name in names]
            axes.plot(*zip(*points), label=label, **style)

    draw(rest, 'other paths', color='0.65', marker='o', markersize=4, linestyle='')
    draw(best, 'best path of each depth', color='tab:orange', marker='o')
    draw([name for name in timed if timed[name]['kind'] == 'teacher'], 'teacher', color='tab:blue', marker='*',
         markersize=13, linestyle='')
    others = [name for name in timed if timed[name]['kind'] == 'other']
    draw(others, 'trained separately', color='tab:green', marker='s', linestyle='')
    for number_, name in enumerate([*best, *others]):
        text = f'{name}, {timed[name]["layers"]} layers'
        axes.annotate(text, (timed[name]['ms'], timed[name]['ao']), xytext=(0, 8 if number_ % 2 else -8),
                      textcoords='offset points', fontsize=7, ha='center', va='bottom' if number_ % 2 else 'top')
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(ScalarFormatter() if max(f['ms'] for f in timed.values()) < 10 * min(
        f['ms'] for f in timed.values()) else NullFormatter())
    axes.margins(x=0.12, y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1), borderaxespad=0, fontsize=8)
    axes.set(title=title, xlabel='time of a frame [ms]: further left is faster', ylabel='AO: higher is better')
    return figure

"""Counts the parameters and operations of a tracker; for a compression config, those of teacher and student.

For example:

    python tools/analysis_tools/get_flops.py ostrack_vitb_256_4layers.py
"""
import argparse
import contextlib
import json
import sys
from dataclasses import asdict
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    from mmengine.config import DictAction
    parser = argparse.ArgumentParser(description='Get the FLOPs of a tracker')
    parser.add_argument('config', help='config of a tracker or of its compression; it sets the image sizes')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings that override the config')
    parser.add_argument('--json', action='store_true', help='print JSON')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from mmengine.config import Config

    from ct_mm.package_files import find_config, resolve_path
    from ct_mm.tracking.evaluation.reports.result_tables import markdown_table
    from ct_mm.tracking.evaluation.tracker_cost import MEANING, network_cost
    from ct_mm.tracking.inference import init_model
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what MMEngine logs is no number
            config = Config.fromfile(find_config(resolve_path(args.config)))
            config.merge_from_dict(args.cfg_options or {})
            costs = {'tracker': network_cost(init_model(config))}
            if config.get('compress'):
                from ct_mm.deployment.speed.student_config import untrained_student_config
                student = init_model(untrained_student_config(config))
                costs = {'teacher': costs['tracker'], 'student': network_cost(student)}
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.json:
        models = {
            name: dict(
                layers=cost.layers, parts=[dict(asdict(part), macs=part.macs) for part in (*cost.parts, cost.total)])
            for name, cost in costs.items()
        }
        print(json.dumps(dict(config=args.config, counted=MEANING, models=models), indent=2))
        return
    for name, cost in costs.items():
        rows = [(part.name, f'{part.parameters / 1e6:.3f}', f'{part.macs / 1e9:.3f}', f'{part.flops / 1e9:.3f}')
                for part in (*cost.parts, cost.total)]
        print(f'{name}, {cost.layers or "no stack of"} layers\n')
        print(markdown_table(('part', 'parameters (M)', 'GMACs', 'GFLOPs'), rows), end='\n\n')
    if len(costs) > 1:
        teacher, student = (cost.total for cost in costs.values())
        print(f'the student has {student.parameters / teacher.parameters:.1%} of the parameters and '
              f'{student.flops / teacher.flops:.1%} of the operations\n')
    print(MEANING)


if __name__ == '__main__':
    cli.run(main)

"""Reports a plan of students as text, as a table and as JSON."""
from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from ct_mm.deployment.speed.benchmark_report import describe_conditions, json_text
from ct_mm.deployment.speed.plan_student import PlannedStudent, StudentPlan
from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.evaluation.reports.result_tables import markdown_table, number, plural


def format_plan(plan: StudentPlan) -> str:
    """Formats the table, the answer and the conditions in Markdown."""
    return f'{format_students(plan)}\n\n{answer(plan)}\n\n{describe_conditions(plan.benchmark)}'


def format_students(plan: StudentPlan) -> str:
    """Formats the students as a Markdown table."""
    header = ('layers', 'parameters (M)', 'GMACs', 'network ms', 'frame ms', 'p90', 'relative to teacher',
              f'meets {plan.target_ms:g} ms')
    return markdown_table(header, [
        (_title(student), f'{student.cost.total.parameters / 1e6:.2f}', f'{student.cost.total.macs / 1e9:.2f}',
         number(student.speed.network_ms, '.2f'), f'{student.speed.frame_ms:.2f}', f'{student.speed.frame_p90:.2f}',
         f'{student.speed.frame_speed:.2f}x', 'yes' if student.speed.frame_ms <= plan.target_ms else 'no')
        for student in plan.students], left=0)


def answer(plan: StudentPlan) -> str:
    """Says in a sentence which is the largest number of layers that is fast enough."""
    where, student = f'in {plan.backend} on this machine', plan.best or plan.students[0]
    along = f' along path {student.path}' if student.path else ''
    found = f'{plural(student.layers, "layer")}{along}: {student.speed.frame_ms:.2f} ms'
    if plan.best is None:
        return f'No student meets {plan.target_ms:g} ms for a whole frame {where}; the fastest has {found}.'
    text = f'The deepest student that meets {plan.target_ms:g} ms for a whole frame {where} has {found}, median.'
    if student.speed.frame_p90 > plan.target_ms:
        text += f' One frame in ten takes more than {student.speed.frame_p90:.2f} ms.'
    return text


def write_plan(plan: StudentPlan, folder: str | os.PathLike) -> list[Path]:
    """Writes ``plan.md`` and ``plan.json`` and returns their paths."""
    values = dict(
        backend=plan.backend, target_ms=plan.target_ms, layers=None if plan.best is None else plan.best.layers,
        path=plan.best.path if plan.best else '',
        students=[dict(layers=student.layers, path=student.path, parameters=student.cost.total.parameters,
                       macs=student.cost.total.macs, **asdict(student.speed)) for student in plan.students],
        benchmark={key: value for key, value in asdict(plan.benchmark).items() if key != 'rows'})
    return [write_text(Path(folder, 'plan.md'), f'# Students for {plan.target_ms:g} ms\n\n{format_plan(plan)}\n'),
            write_text(Path(folder, 'plan.json'), json_text(values))]


def _title(student: PlannedStudent) -> str:
    return f'{student.layers} (path {student.path})' if student.path else str(student.layers)

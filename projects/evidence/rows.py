"""What is trained: the scales, and the rows of the comparison."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CONFIGS = HERE / 'configs'


@dataclass(frozen=True)
class Scale:
    """How large the trackers are and how long they train.

    Attributes:
        template: Side of the template in pixels.
        search: Side of the search region in pixels.
        pairs: Packed pairs that all trainings read.
        teacher_pairs: Pairs that the teacher is trained on.
        student_pairs: Pairs that each row is trained on: the equal budget.
        long_factor: How many times that the long rows get.
        workers: Data workers of one training.
    """
    template: int
    search: int
    pairs: int
    teacher_pairs: int
    student_pairs: int
    long_factor: int
    workers: int

    @property
    def pairs_folder(self) -> str:
        """Name of the folder with the packed pairs."""
        return f'pairs_{self.template}_{self.search}'

    def options(self) -> dict:
        """What the configs are to be told, which are written for the GPU's scale."""
        return {
            'model.backbone.template_size': self.template,
            'model.backbone.search_size': self.search,
            'model.head.feat_size': self.search // 14,
            'train_dataloader.num_workers': self.workers,
        }


SCALES = dict(
    gpu=Scale(112, 224, pairs=200_000, teacher_pairs=400_000, student_pairs=80_000, long_factor=4, workers=2),
    cpu=Scale(56, 112, pairs=24_000, teacher_pairs=40_000, student_pairs=16_000, long_factor=2, workers=1))


@dataclass(frozen=True)
class Row:
    """One way to get a small tracker.

    Attributes:
        name: Of its folder.
        title: In the report.
        config: File under ``configs/``.
        seeds: How many seeds.
        group: Table that it stands in.
        long: Whether it trains ``long_factor`` times as long.
    """
    name: str
    title: str
    config: str
    seeds: int = 1
    group: str = 'rivals'
    long: bool = False


ROWS = [
    Row('full', 'full method', 'full.py', 3),
    Row('distillation_only', 'no replacement (distillation only)', 'distillation_only.py', 3),
    Row('ground_truth', 'ground truth only, copied layers', 'ground_truth.py', 3),
    Row('no_guidance', 'full method without guidance', 'no_guidance.py'),
    Row('no_mimic', 'full method without mimic', 'no_mimic.py'),
    Row('ground_truth_first', 'ground truth only, the first four layers', 'ground_truth_first.py'),
    Row('scratch', 'ground truth only, from scratch', 'scratch.py'),
    Row('full_2layers', 'full method, 2 layers', 'full_2layers.py', group='depth'),
    Row('full_3layers', 'full method, 3 layers', 'full_3layers.py', group='depth'),
    Row('full_6layers', 'full method, 6 layers', 'full_6layers.py', group='depth'),
    Row('full_8layers', 'full method, 8 layers', 'full_8layers.py', group='depth'),
    Row('fitted', 'layers fitted to their stages first', 'fitted.py', group='ideas'),
    Row('normalized_mimic', 'mimic on normalised tokens', 'normalized_mimic.py', group='ideas'),
    Row('score_map_guidance', 'guidance on the score map too', 'score_map_guidance.py', group='ideas'),
    Row('averaged', 'weight averaging', 'averaged.py', group='ideas'),
    Row('combined', 'fitted, normalised mimic, score map', 'combined.py', group='ideas'),
    Row('full_long', 'full method, long', 'full.py', group='long', long=True),
    Row('combined_long', 'all ideas, long', 'combined.py', group='long', long=True),
]

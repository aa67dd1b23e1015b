"""The scales and the rows of the comparison."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
CONFIGS = HERE / 'configs'


@dataclass(frozen=True)
class Scale:
    """How large the trackers are and how long they train.

    Attributes:
        data: Name of the packed pairs; ``pairs_NAME.py`` makes them, ``val_pairs_NAME.py`` those to validate on.
        pairs: Packed pairs that all trainings read.
        teacher_pairs: Pairs that the teacher is trained on; 0 takes its start as the teacher.
        student_pairs: Pairs that each row is trained on: the equal budget.
        options: What the configs, which are written for the GPU's scale, are to be told.
        step: What ``compress.step`` is to be told.
        start: Weights that the teacher starts from; None for the pretrained ViT of ``--vit``.
        validation: Packed pairs to validate on.
        fit_samples: Samples that rows which start from fitted layers fit them on; a wide layer needs more.
    """
    data: str
    pairs: int
    teacher_pairs: int
    student_pairs: int
    options: dict = field(default_factory=dict)
    step: dict = field(default_factory=dict)
    start: str | None = None
    validation: int = 2000
    fit_samples: int = 512


def crops(template: int, search: int) -> dict:
    """Options of a tracker with crops of these sides, pixels."""
    return {'model.backbone.template_size': template, 'model.backbone.search_size': search,
            'model.head.feat_size': search // 14}


#: For CPUs: the training process reads the data; mixed precision uses the oneDNN operators.
ON_CPU = {'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
          'train_dataloader.batch_size': 16, 'optim_wrapper.onednn': True}
CPU_STEP = {'compress.step.onednn': True, 'compress.step.teacher_dtype': 'bfloat16'}
NARROW = {'model.backbone.embed_dim': 128, 'model.backbone.num_heads': 4, 'model.head.in_channels': 128,
          'model.head.channels': 64, 'model.template_factor': 1.5, 'model.search_factor': 3.0}
#: A wide layer needs smaller steps; 8 pairs have as many tokens as 32 narrow ones.
WIDE = {'optim_wrapper.optimizer.lr': 3e-5, 'train_dataloader.batch_size': 8}
SCALES = dict(
    gpu=Scale('112_224', 200_000, 400_000, 80_000, crops(112, 224)),
    wide=Scale('112_224', 36_000, 0, 28_000, {**crops(112, 224), **ON_CPU, **WIDE}, CPU_STEP,
               'projects/evidence/checkpoints/teacher_112_224.pth', validation=500, fit_samples=1024),
    cpu=Scale('56_112', 24_000, 40_000, 16_000, {**crops(56, 112), **ON_CPU}, CPU_STEP),
    narrow=Scale('narrow', 64_000, 0, 16_000, {**crops(56, 112), **ON_CPU, **NARROW}, CPU_STEP,
                 'demo/teacher/tiny_teacher.pth'))


@dataclass(frozen=True)
class Row:
    """One way to get a small tracker.

    Attributes:
        name: Of its folder.
        title: In the report.
        config: File under ``configs/``.
        seeds: How many seeds.
        group: Table that it stands in.
        times: How many times the equal budget it gets.
    """
    name: str
    title: str
    config: str
    seeds: int = 1
    group: str = 'rivals'
    times: float = 1


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
    Row('published_mimic', 'the published mimic: raw tokens, weight 0.2', 'published_mimic.py', group='ideas'),
    Row('fitted', 'layers fitted to their stages first', 'fitted.py', 3, 'ideas'),
    Row('fitted_distillation', 'fitted layers, no replacement', 'fitted_distillation.py', group='ideas'),
    Row('score_map_guidance', 'guidance on the score map too', 'score_map_guidance.py', group='ideas'),
    Row('averaged', 'weight averaging', 'averaged.py', group='ideas'),
    Row('combined', 'fitted, score map and averaging', 'combined.py', group='ideas'),
    Row('full_1.3', 'full method, 1.3 times as long: its layers run as often as without replacement', 'full.py',
        group='long', times=1.3),
    Row('combined_long', 'fitted, score map and averaging, twice as long', 'combined.py', 3, 'long', 2),
]

"""A backbone whose stacks of blocks are divided into stages, from a config.

References:
    CompressTracker, arXiv 2409.17564, sections 3.2 and 3.3.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import nn

from ct_mm.registry import MODELS

from .division import Division
from .model_config import build_model, merge_configs
from .pass_through import Argument
from .per_stack import PerStack
from .stage_plan import StagePlan


@MODELS.register_module()
class StageDividedBackbone(BaseModule):
    """Puts slots in place of a backbone's blocks and leaves everything else of it alone.

    The backbone's own ``forward`` (its loop, its ``out_indices``, its position embedding) runs untouched. A backbone
    may have several stacks, such as encoder and decoder or the widths of a hierarchy. Attributes that the wrapper lacks
    are those of its :class:`~ct_mm.compression.division.Division` (``plan``, ``stacks``, ``slots``, ``borrow`` and
    more) or else the backbone's.

    Where a setting takes one value for each stack, it is a list with one for each; one value alone holds for all.

    Args:
        backbone: Config of a backbone (or of any model), or the module itself, whose blocks become the student's
            layers.
        layers: Names of its stacks, see :func:`~ct_mm.compression.layer_stack.find_layer_stacks`; ``None`` searches.
        num_stages: Stages K of an even division, for each stack. Give this or ``stage_sizes`` or ``plan``.
        stage_sizes: Teacher layers of each stage, for each stack.
        plan: A ready plan, for each stack.
        copy: Where a student layer starts from in its stage, for each stack: ``last``, ``first`` or ``mean``.
        pass_through: What a skipped block returns, for each stack, where it cannot be found out, see
            :class:`~ct_mm.compression.pass_through.PassThrough`.
        layers_per_stage: Student layers of a stage: one number for all; or, for one stack, a list with one for each
            stage; or, for several stacks, a list with one of these for each.
        student: What of the backbone's config is different for the student's layers, such as ``dict(mlp_ratio=2.0)``,
            for each stack; or a module with blocks of that kind.
        folded: See :class:`~ct_mm.compression.divided_stack.DividedStack`.
        data_preprocessor: Of a whole model whose config has none; MMEngine hands in what stands at the top of a config.
        init_cfg: MMEngine's initialisation config.

    Raises:
        ValueError: If there is no such stack or the plan does not fit it.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        layers: str | Sequence[str] | None = None,
        num_stages: int | Sequence[int] | None = None,
        stage_sizes: Sequence[int] | Sequence[Sequence[int]] | None = None,
        plan: StagePlan | Sequence[StagePlan] | None = None,
        copy: str | Sequence[str] = 'last',
        pass_through: Argument | Sequence[Any] | None = None,
        layers_per_stage: int | Sequence[Any] = 1,
        student: dict | nn.Module | Sequence[dict | nn.Module | None] | None = None,
        folded: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if data_preprocessor and isinstance(backbone, dict):
            backbone = dict(backbone, data_preprocessor=backbone.get('data_preprocessor') or data_preprocessor)
        self.backbone = backbone if isinstance(backbone, nn.Module) else build_model(backbone)
        if isinstance(student, (list, tuple)):
            student = PerStack(_shape(one, backbone) for one in student)
        else:
            student = _shape(student, backbone)
        self.division = Division(self.backbone, layers, num_stages, stage_sizes, plan, copy, layers_per_stage,
                                 pass_through, student, folded=folded)

    @property
    def path(self) -> tuple[bool, ...] | None:
        """Which model runs each stage in the next forward, True for the student; ``None`` is the pure student."""
        return self.division.path

    @path.setter
    def path(self, path: Sequence[bool] | None) -> None:
        self.division.path = path

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The backbone's own forward, along the path."""
        return self.backbone(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith('__') or 'backbone' not in self.__dict__.get('_modules', {}):
                raise
            division = self.__dict__.get('division')
            return getattr(division if hasattr(type(division), name) or name == 'stacks' else self.backbone, name)


def _shape(student: dict | nn.Module | None, backbone: dict | nn.Module) -> nn.Module | None:
    if student is None or isinstance(student, nn.Module):
        return student
    if isinstance(backbone, nn.Module):
        raise ValueError(f'student={student!r} changes a config, but the backbone is a module: give a module here too, '
                         f'with blocks of the shape that the student is to have')
    return build_model(merge_configs(backbone, student))

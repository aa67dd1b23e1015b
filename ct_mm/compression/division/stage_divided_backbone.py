"""A backbone whose stacks of blocks are divided into stages, from a config.

References:
    CompressTracker, arXiv 2409.17564, sections 3.2 and 3.3.
"""
from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import nn

from ct_mm.registry import MODELS

from ..config_tree import build_model
from .divided_model import DividedModel
from .spec import DivisionSpec


@MODELS.register_module()
class StageDividedBackbone(BaseModule):
    """Puts slots in place of a backbone's blocks and changes nothing else.

    The backbone's own ``forward`` (its loop, its ``out_indices``, its position embedding) runs unchanged, and an
    attribute that the wrapper lacks is read from the backbone. A backbone may have several stacks, such as encoder and
    decoder or the widths of a hierarchy.

    Args:
        backbone: Config of a backbone (or of any model), or the module itself, whose blocks become the student's
            layers.
        folded: See :class:`~ct_mm.compression.division.divided_stack.DividedStack`.
        data_preprocessor: Config for a whole model that has none; MMEngine passes the one at the top of a config.
        init_cfg: MMEngine's initialisation config.
        **division: The settings of :class:`~ct_mm.compression.division.spec.DivisionSpec`.

    Attributes:
        divided (DividedModel): The stages, and which model runs each of them.

    Raises:
        ValueError: If there is no such stack or the plan does not fit it.

    Examples:
        >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 6, enable_nested_tensor=False)
        >>> divided = StageDividedBackbone(encoder, num_stages=3).divided
        >>> len(divided.student_layers), divided.num_stages
        (3, 3)
    """

    def __init__(self, backbone: dict | nn.Module, folded: bool = False, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None, **division: Any) -> None:
        super().__init__(init_cfg)
        if data_preprocessor and isinstance(backbone, dict):
            backbone = dict(backbone, data_preprocessor=backbone.get('data_preprocessor') or data_preprocessor)
        self.backbone = backbone if isinstance(backbone, nn.Module) else build_model(backbone)
        config = None if isinstance(backbone, nn.Module) else backbone
        self.divided = DividedModel(self.backbone, DivisionSpec(**division), config, whole=True, folded=folded)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The backbone's own forward, along the path."""
        return self.backbone(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith('__') or 'backbone' not in self.__dict__.get('_modules', {}):
                raise
            return getattr(self.backbone, name)

"""A Runner that compresses its config first."""
from __future__ import annotations

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from ct_mm.registry import RUNNERS

from .compress import compress


@RUNNERS.register_module()
class CompressRunner(Runner):
    """MMEngine's Runner on ``compress(cfg)``.

    ``runner_type = 'ct_mm.CompressRunner'`` in a config is honoured by the training and test scripts of
    every OpenMMLab codebase, which is how a config of theirs is compressed without a change to them.
    """

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | dict) -> CompressRunner:
        """Builds the runner.

        Args:
            cfg: A config with ``compress``, or one that is wrapped already.

        Returns:
            The runner.
        """
        if not isinstance(cfg, Config):
            cfg = Config(dict(cfg))
        return super().from_cfg(compress(cfg))

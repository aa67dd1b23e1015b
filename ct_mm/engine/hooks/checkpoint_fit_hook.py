"""Makes sure that the weights of a checkpoint are those of the model."""
from __future__ import annotations

import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner

from ct_mm.engine.checkpoints.misfit import fit_names, misfit_of
from ct_mm.engine.checkpoints.reading import bytes_of_model, find_weights, let_mmengine_read_safely
from ct_mm.registry import HOOKS


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Finds the weights in a loaded checkpoint, however they are wrapped, and checks that they fit the model.

    MMEngine loads whatever has the right name and shape and leaves the rest random. To test such a model is an error
    here. A training may start from weights that fit in part, which is logged, but not from weights of which none fit.
    """

    priority = 'HIGHEST'  # EMAHook reads the weights, too

    def before_run(self, runner: Runner) -> None:
        """Limits what the checkpoint may unpack to by what the model needs."""
        let_mmengine_read_safely(bytes_of_model(runner.model))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Gives the weights the model's names and compares them with the model.

        Raises:
            ValueError: If there are no weights, a model to be tested misses some of them or has others, or none fit a
                model to be trained.
        """
        let_mmengine_read_safely()  # which lifts the limit
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        weights = find_weights(checkpoint)
        if weights is None:
            raise ValueError(f'checkpoint {runner._load_from} holds no weights')
        weights = fit_names(model.state_dict(), weights)
        if not weights.keys() <= (checkpoint.get('state_dict') or {}).keys():
            checkpoint['state_dict'] = weights
        misfit = None if runner._resume else misfit_of(model, weights)  # a training that is resumed has its own check
        if not misfit:
            return
        config = runner.cfg.filename or 'the config'
        text = f'the weights in {runner._load_from} do not fit the model of {config}: {misfit}'
        if not isinstance(runner._train_loop, BaseLoop):
            raise ValueError(f'{text}. Name the config that belongs to these weights, or the weights of this model')
        if not misfit.fitting:
            raise ValueError(f'{text}. None of them fit, so load_from would change nothing: name a checkpoint of this '
                             f'model, or leave load_from out')
        print_log(f'{text}. {misfit.fitting} are loaded, the others start as without load_from', 'current',
                  logging.WARNING)

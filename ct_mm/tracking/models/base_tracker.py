"""Base class of all single-object trackers."""
from __future__ import annotations

from abc import ABCMeta, abstractmethod

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from ct_mm.engine.finite import check_losses
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.models.module_session import ModuleSession
from ct_mm.tracking.runtime.geometries import Geometry
from ct_mm.tracking.runtime.looping_tracker import LoopingTracker
from ct_mm.tracking.runtime.memories import FixedTemplate, Memory
from ct_mm.tracking.runtime.model_card import BOX, SCORE, ModelCard, NetworkInput
from ct_mm.tracking.runtime.tracking_loop import TrackingLoop
from ct_mm.tracking.structures import TrackDataSample


class BaseTracker(LoopingTracker, BaseModel, metaclass=ABCMeta):
    """Base class of trackers, which support MMEngine's three modes and frame-by-frame tracking.

    In ``loss`` mode, a tracker computes losses of a batch of pairs, in ``tensor`` mode its raw predictions; in
    ``predict`` mode, it runs whole sequences. ``init`` and ``track`` process one frame each. A subclass sets
    ``geometry`` and ``memory``, and implements ``loss``, ``_forward`` and ``read_out``. These are pure: what passes
    from frame to frame is an input and an output (``carried``).
    """

    #: How crops are cut and boxes are placed.
    geometry: Geometry | None = None
    #: Which templates the network sees.
    memory: Memory = FixedTemplate()
    #: Shape, without the batch, of each tensor that passes from frame to frame, by name.
    carried: dict[str, tuple[int, ...]] = {}
    #: Shape, without the batch, of each tensor that ``prepare`` computes from the templates alone, by name.
    prepared: dict[str, tuple[int | None, ...]] = {}
    #: What ``read_out`` returns, in the order of exported files; carried and prepared tensors follow.
    outputs: tuple[str, ...] = (BOX, SCORE)
    #: Precision of ``tensor`` mode: ``'fp32'``, or ``'bf16'`` for autocast to bfloat16.
    precision = 'fp32'

    def forward(self, inputs: dict, data_samples: list[TrackDataSample] | None = None,
                mode: str = 'tensor') -> dict[str, Tensor] | list[TrackDataSample]:
        """Dispatches to ``loss``, ``predict`` or the raw forward pass.

        Args:
            inputs: ``template`` (B, 3, Ht, Wt) and ``search`` (B, 3, Hs, Ws), normalised; in ``predict`` mode
                ``video``, a list of sequences.
            data_samples: One sample for each pair or sequence.
            mode: ``loss``, ``predict`` or ``tensor``.

        Returns:
            Losses, samples with ``pred_track_instances``, or the raw predictions.

        Raises:
            ValueError: If the mode is unknown.
            FloatingPointError: If a loss is NaN or infinite.
        """
        if mode == 'loss':
            losses = self.loss(inputs, data_samples)
            check_losses(losses, data_samples)
            return losses
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self._in_precision(inputs)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', not {mode!r}")

    def _in_precision(self, inputs: dict) -> dict[str, Tensor]:
        if self.precision == 'fp32':  # autocast(enabled=False) would disable the autocast of a training loop
            return self._forward(inputs)
        with torch.autocast(inputs['search'].device.type, torch.bfloat16):
            return self._forward(inputs)

    @abstractmethod
    def loss(self, inputs: dict, data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Computes the losses of a batch of pairs."""

    @abstractmethod
    def _forward(self, inputs: dict) -> dict[str, Tensor]:
        """Computes the raw predictions of a batch of pairs."""

    def read_out(self, predictions: dict[str, Tensor]) -> dict[str, Tensor]:
        """Finds the target in the predictions of ``_forward``.

        Args:
            predictions: The raw predictions.

        Returns:
            ``box`` (B, 4), cxcywh normalised to the search region; ``score`` (B, 1) in [0, 1]; if a window is used,
            ``response`` (B, 1), the score after it; and what else ``outputs`` and ``carried`` name.
        """
        raise NotImplementedError(f'{type(self).__name__} has no read_out, so it cannot track')

    def prepare(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Computes the tensors in ``prepared``.

        Args:
            inputs: ``template``, normalised, and ``template_mask`` if the network takes one.
        """
        raise NotImplementedError(f'{type(self).__name__} prepares nothing')

    def network(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """Runs the network as tracking does; this function is what an exported file contains.

        Args:
            raw: The inputs that the card lists; images are RGB (B, ..., H, W, 3), not normalised.

        Returns:
            The outputs that the card lists.
        """
        return self.read_out(self(self._normalized(raw), mode='tensor'))

    def prepare_raw(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """Computes the tensors in ``prepared`` from templates that are not normalised."""
        return self.prepare(self._normalized(raw))

    def _normalized(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: self.data_preprocessor.normalize(value.movedim(-1, -3).contiguous())
                if name in ('template', 'search') else value for name, value in raw.items()}

    def card(self, layers: int | None = None) -> ModelCard:
        """Describes the network, and how it is used.

        Args:
            layers: Number of layers. Default: not recorded.

        Raises:
            ValueError: The tracker has no geometry, so it does not use the tracking loop.
        """
        if self.geometry is None:
            raise ValueError(f'{type(self).__name__} has no geometry: set self.geometry, or implement init and track')
        more = [NetworkInput(name, role, tuple(shape)) for role in ('carried', 'prepared')
                for name, shape in getattr(self, role).items()]
        mean, std = (tuple(round(float(value), 6) for value in getattr(self.data_preprocessor, name).flatten())
                     for name in ('mean', 'std'))
        return ModelCard.of(
            type(self).__name__, self.geometry, self.memory, (*self.outputs, *self.carried, *self.prepared),
            tuple(more), mean=mean, std=std, layers=layers)

    def make_loop(self) -> TrackingLoop:
        """Returns the loop that runs this module."""
        return TrackingLoop(ModuleSession(self))

    @torch.inference_mode()
    def predict(self, inputs: dict, data_samples: list[TrackDataSample]) -> list[TrackDataSample]:
        """Tracks sequences from the annotated box of their first frame (one-pass evaluation).

        Args:
            inputs: ``video``, a list of :class:`FrameSequence`.
            data_samples: One sample for each sequence.

        Returns:
            The samples with ``pred_track_instances``: ``bboxes`` (T, 4), xywh in pixels, and ``scores`` (T,).
        """
        for video, sample in zip(inputs['video'], data_samples):
            boxes, scores = self.track_sequence(video)
            sample.pred_track_instances = InstanceData(bboxes=torch.from_numpy(boxes), scores=torch.from_numpy(scores))
        return data_samples

    def track_sequence(self, frames: FrameSequence) -> tuple[np.ndarray, np.ndarray]:
        """Tracks the target of a sequence's first box through all frames.

        Args:
            frames: The sequence; only the first row of its annotation is read.

        Returns:
            Boxes (T, 4) float64, xywh in pixels, the first being the given box; scores (T,) float64.

        Raises:
            OSError: A frame cannot be read; the message names the file and the frame.
            ValueError: A frame or the first box is unusable; the message names sequence, frame and file.
        """
        boxes, scores = [np.asarray(frames.boxes[0], dtype=np.float64)], [1.0]
        for index, image in enumerate(frames):
            try:
                if index == 0:
                    self.init(image, boxes[0])
                    continue
                box, score = self.track(image)
            except ValueError as error:
                raise ValueError(f'sequence {frames.name!r}, frame {index} (0-based, {frames.frame_name(index)}): '
                                 f'{error}') from error
            boxes.append(box)
            scores.append(score)
        return np.stack(boxes), np.asarray(scores)

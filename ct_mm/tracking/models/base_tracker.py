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
from ct_mm.tracking.structures import TrackDataSample


class BaseTracker(BaseModel, metaclass=ABCMeta):
    """Base class of trackers, which support MMEngine's three modes and frame-by-frame tracking.

    In ``loss`` mode, a tracker computes losses of a batch of pairs, in ``tensor`` mode its raw predictions; in
    ``predict`` mode, it runs whole sequences. ``init`` and ``track`` process one frame each. A subclass implements
    these two, ``loss`` and ``_forward``; its ``track`` runs the network in ``tensor`` mode.
    """

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

    @abstractmethod
    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts on a target.

        Args:
            image: First frame, RGB uint8 (H, W, 3).
            box: Target in this frame, xywh in pixels.
        """

    @abstractmethod
    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in the next frame.

        Args:
            image: Frame, RGB uint8 (H, W, 3).

        Returns:
            The box, xywh in pixels, and the score in [0, 1].
        """

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

"""Measures one tracker: on sequences, and on pairs of the kind that it was trained on."""
from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ct_mm import cli
from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.datasets.pairs import PackedPairs
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
from ct_mm.tracking.evaluation.scoring import conventions
from ct_mm.tracking.evaluation.tracker_cost import network_cost
from ct_mm.tracking.inference import init_model
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy, paired_iou


def score_tracks(tracks: dict[str, np.ndarray], sequences: Sequence[FrameSequence]) -> dict:
    """Scores of all sequences together (``all``) and of each, by the names of ``ct_mm.SOTMetric``.

    Args:
        tracks: Boxes (T, 4), xywh in pixels, by sequence.
        sequences: Annotated sequences.
    """
    scores = [conventions.score_sequence(tracks[s.name], s.boxes, s.visible, s.image_size, 'pytracking', None, s.name)
              for s in sequences]
    return dict(all=conventions.summarize(scores, 'pytracking'),
                sequences={score.name: conventions.summarize([score], 'pytracking') for score in scores})


@torch.inference_mode()
def pair_iou(tracker: BaseTracker, pairs: PackedPairs, batch: int = 64) -> float:
    """Mean overlap of the predicted boxes on validation pairs (no Hann window)."""
    device, overlaps = tracker.window.device, []
    for start in range(0, len(pairs), batch):
        chosen = [pairs[i] for i in range(start, min(start + batch, len(pairs)))]
        inputs = {side: tracker.data_preprocessor.normalize(torch.from_numpy(
            np.stack([pair[side]['img'] for pair in chosen])).permute(0, 3, 1, 2).to(device))
            for side in ('template', 'search')}  # (B, 3, S, S) each
        found = cxcywh_to_xyxy(tracker(inputs, mode='tensor')['boxes']).cpu()  # (B, 4), normalised
        true = torch.from_numpy(np.stack([pair['search']['bbox'] for pair in chosen])) / inputs['search'].shape[-1]
        overlaps.append(paired_iou(found, true))
    return float(torch.cat(overlaps).mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the tracker that the arguments name; writes ``results.json`` and the tracks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('out', type=Path, help='folder')
    parser.add_argument('--sequences', required=True)
    parser.add_argument('--pairs', help='folder of packed pairs')
    parser.add_argument('--device', default='cpu')
    cli.add_debug(parser)
    args = parser.parse_args(argv)
    tracker = init_model(args.config, args.checkpoint, args.device)
    cost = network_cost(tracker)
    dataset = SequenceFolder(args.sequences)
    sequences = [dataset.get_sequence(number) for number in range(len(dataset))]
    folder, tracks = ResultFolder(args.out / 'tracks'), {}
    for sequence in sequences:
        tracks[sequence.name], _ = tracker.track_sequence(sequence)
        folder.write(sequence.name, tracks[sequence.name])
    results = score_tracks(tracks, sequences)
    results.update(layers=cost.layers, parameters=cost.total.parameters, macs=cost.total.macs)
    if args.pairs:
        results['pair_iou'] = pair_iou(tracker, PackedPairs(args.pairs))
    write_text(args.out / 'results.json', json.dumps(results, indent=1))
    print(f'{args.out}: AO {results["all"]["ao"]:.3f}, ' + ', '.join(
        f'{name} {values["ao"]:.3f}' for name, values in results['sequences'].items()))


if __name__ == '__main__':
    cli.run(main)

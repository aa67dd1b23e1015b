"""Evaluation of single-object tracking; importing this package registers the metric and the loop."""
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
from ct_mm.tracking.evaluation.results.tracked_sequences import TrackedSequences
from ct_mm.tracking.evaluation.scoring.got10k_toolkit import got10k_ious, got10k_scores
from ct_mm.tracking.evaluation.scoring.success import ope_curves, ope_errors, ope_scores
from ct_mm.tracking.evaluation.sequence_test_loop import SequenceTestLoop
from ct_mm.tracking.evaluation.sot_metric import SOTMetric

__all__ = ['ResultFolder', 'SOTMetric', 'SequenceTestLoop', 'TrackedSequences', 'got10k_ious', 'got10k_scores',
           'ope_curves', 'ope_errors', 'ope_scores']

"""What configs and programs may name: a name that is missing here breaks a user."""
import pytest

import ct_mm
from ct_mm import compression, registry, tracking
from ct_mm.registry import DATASETS

REGISTERED = dict(
    DATASETS=[
        'CompositePairs', 'GOT10kDataset', 'LaSOTDataset', 'LaSOTExtDataset', 'NfSDataset', 'OTB100Dataset',
        'PackedPairs', 'PairDataset', 'SOTCocoDataset', 'SOTImageNetVIDDataset', 'SegmentFolder', 'SequenceFolder',
        'SequencePairs', 'SkimageSegments', 'TNL2KDataset', 'TrackingNetDataset', 'UAV123Dataset', 'VideoBackgrounds'],
    DATA_SAMPLERS=['DrawSampler'],
    HOOKS=[
        'ReplacementRateHook', 'SafeCheckpointHook', 'StageFitHook', 'StageProgressHook', 'StepSeedHook',
        'StudentExportHook', 'TeacherScoreHook', 'ThinHistoryHook', 'TrackerReportHook'],
    LOOPS=['GuardedEpochLoop', 'GuardedIterLoop', 'SequenceTestLoop'],
    METRICS=['SOTMetric'],
    MODELS=[
        'BoxL1Loss', 'CenterHead', 'FeatureMimicLoss', 'GIoULoss', 'GaussianFocalLoss', 'OSTrack', 'OneStreamViT',
        'OutputGuidanceLoss', 'PredictionGuidanceLoss', 'ReplacementDistiller', 'StageDividedBackbone',
        'TrackDataPreprocessor'],
    OPTIM_WRAPPERS=['AutocastOptimWrapper'],
    RUNNERS=['CompressRunner'],
    TRANSFORMS=[
        'CropPair', 'LoadPair', 'PackTrackInputs', 'PairBrightness', 'PairChannelShuffle', 'PairDownscale', 'PairFlip',
        'PairGrayscale', 'SamplePair'])
EXPORTED = [
    (ct_mm, ['CompressRunner', '__version__', 'compress']),
    (compression, [
        'CompressRunner', 'FeatureMimicLoss', 'OutputGuidanceLoss', 'PredictionGuidanceLoss', 'ReplacementDistiller',
        'StageDividedBackbone', 'StagePlan', 'compress', 'replacement_rate', 'sample_path']),
    (tracking, ['inference_sot', 'init_model', 'init_tracker'])]


@pytest.mark.parametrize('kind', REGISTERED)
def test_registered_names(kind):
    found = getattr(registry, kind)
    for name in REGISTERED[kind]:
        assert found.get(f'ct_mm.{name}').__name__ == name


@pytest.mark.parametrize('module, names', EXPORTED, ids=['ct_mm', 'compression', 'tracking'])
def test_exported_names(module, names):
    assert set(names) <= set(module.__all__)
    for name in names:
        assert getattr(module, name)


def test_a_name_that_is_not_registered_is_none():
    assert DATASETS.get('ct_mm.NoDataset') is None

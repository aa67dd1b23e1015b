import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData

from ct_mm.tracking.structures import TrackDataSample


def make_sample():
    sample = TrackDataSample(metainfo=dict(sequence_name='walk', gt_boxes=np.zeros((3, 4))))
    sample.gt_instances = InstanceData(bboxes=torch.ones(1, 4))
    sample.pred_track_instances = InstanceData(bboxes=torch.zeros(3, 4), scores=torch.ones(3))
    return sample


def test_fields_reach_metrics_by_their_public_names():
    fields = make_sample().to_dict()
    assert fields['sequence_name'] == 'walk'
    assert fields['pred_track_instances']['bboxes'].shape == (3, 4)
    assert fields['gt_instances']['bboxes'].shape == (1, 4)


def test_a_sample_survives_workers_collation_and_conversion():
    sample = pickle.loads(pickle.dumps(make_sample()))
    assert pseudo_collate([dict(data_samples=sample)])['data_samples'] == [sample]
    assert sample.to(torch.float64).pred_track_instances.bboxes.dtype == torch.float64
    del sample.gt_instances
    assert 'gt_instances' not in sample


def test_only_instance_data_is_accepted():
    with pytest.raises(AssertionError, match='InstanceData'):
        make_sample().gt_instances = dict(bboxes=torch.ones(1, 4))

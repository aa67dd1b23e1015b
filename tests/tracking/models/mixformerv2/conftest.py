"""Files of reference numbers of MixFormerV2, and what their weights make."""
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from parity_files import parity_files

from ct_mm.registry import MODELS
from ct_mm.tracking.models.mixformerv2.converter.config import mixformerv2_model_config
from ct_mm.tracking.models.mixformerv2.converter.weights import convert_mixformerv2_keys
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import xywh_to_xyxy


class MixFormerCase:
    """One file of reference numbers; every size is read from it."""

    def __init__(self, file):
        self.data = np.load(file)
        self.keys = set(self.data.files)

    def tensor(self, key):
        value = torch.from_numpy(np.asarray(self.data[key]))
        return value.float() if value.dtype == torch.float16 else value

    def size(self, name, kind='tracker'):
        return int(self.data[f'config/{kind}/{name}'])

    def official(self, model='state'):
        return {key.removeprefix(f'{model}/'): self.tensor(key) for key in self.keys if key.startswith(f'{model}/')}

    def config(self, model='state'):
        config = mixformerv2_model_config(self.official(model),
                                          self.size('heads', 'tracker' if model == 'state' else 'distill'))
        return dict(config, data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor'))

    def state(self, model='state'):
        return convert_mixformerv2_keys(self.official(model))

    def tracker(self, model='state', **settings):
        tracker = MODELS.build(dict(self.config(model), **settings))
        tracker.load_state_dict(self.state(model), strict=True)
        return tracker.eval()

    def inputs(self, online='online_template'):
        return dict(template=torch.stack([self.tensor('template'), self.tensor(online)], 1),
                    search=self.tensor('search'))

    def samples(self, boxes='gt_boxes_xywh_normalized'):
        samples = []
        for box, label in zip(xywh_to_xyxy(self.tensor(boxes)) * self.data['search'].shape[-1], self.data['label']):
            samples.append(TrackDataSample())
            samples[-1].gt_instances = InstanceData(bboxes=box[None], scores=torch.tensor([float(label)]))
        return samples

    def layers_in(self, prefix):
        """The 1-based layers after which a part of the file has tokens."""
        start = f'{prefix}/tokens_after_layer_'
        return sorted(int(key.removeprefix(start)) for key in self.keys if key.startswith(start))

    def compare(self, value, key, tolerance, relative=0.0):
        expected = self.tensor(key)
        value = torch.as_tensor(value).detach().reshape(expected.shape)
        excess = ((value - expected).abs() - relative * expected.abs()).max()
        assert excess <= tolerance, f'{key}: {excess:.2e} above {tolerance:.0e}'


@pytest.fixture(scope='module', params=parity_files('stage2_kept/kept_layers'), ids=lambda file: file.stem)
def case(request):
    return MixFormerCase(request.param)


@pytest.fixture
def model_config():
    """Config of a small MixFormerV2: 8 + 16 + 4 tokens."""

    def make(depth=6, **backbone):
        return dict(
            type='ct_mm.MixFormerV2',
            backbone=dict(type='ct_mm.MixFormerV2ViT', embed_dim=32, depth=depth, num_heads=2, template_size=32,
                          search_size=64, drop_path_rate=0.2, **backbone),
            head=dict(type='ct_mm.DistributionHead', in_channels=32, bins=16, score=True),
            data_preprocessor=dict(type='ct_mm.TrackDataPreprocessor'))

    return make


@pytest.fixture
def batch():
    """Normalised inputs of two pairs and their samples."""
    rng = torch.Generator().manual_seed(0)
    inputs = dict(template=torch.randn(2, 2, 3, 32, 32, generator=rng), search=torch.randn(2, 3, 64, 64, generator=rng))
    samples = []
    for box in ([10., 12., 40., 50.], [20., 8., 60., 44.]):
        samples.append(TrackDataSample())
        samples[-1].gt_instances = InstanceData(bboxes=torch.tensor([box]))
    return inputs, samples

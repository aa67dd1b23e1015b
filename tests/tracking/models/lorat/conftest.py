"""Files of reference numbers of LoRAT, and what their weights make."""
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from parity_files import parity_files

from ct_mm.registry import MODELS
from ct_mm.tracking.models.lorat.converter.config import lorat_model_config
from ct_mm.tracking.models.lorat.converter.weights import convert_lorat_keys
from ct_mm.tracking.structures import TrackDataSample


class LoRATCase:
    """One file of reference numbers; every size is read from it."""

    def __init__(self, file):
        self.data = np.load(file)
        config = {key.removeprefix('config/'): self.data[key].tolist() for key in self.data.files
                  if key.startswith('config/')}
        self.heads, self.stage_ends = config['heads'], config['stage_ends']
        self.sizes = tuple(self.data[name].shape[-1] for name in ('template', 'search'))
        self.cells = config['search_feat']
        self.patch = self.sizes[1] // self.cells
        self.training, self.merged = self.weights('state/'), self.weights('merged/')

    def weights(self, prefix):
        return {key.removeprefix(prefix): torch.from_numpy(self.data[key]) for key in self.data.files
                if key.startswith(prefix)}

    def tensor(self, key):
        return torch.from_numpy(np.asarray(self.data[key]))

    def released(self):
        return {key: self.training[key] for key in self.data['released_keys'].tolist()}

    def dinov2(self):
        """The file of DINOv2: the frozen weights of the training model, q, k and v stacked, and what it drops."""
        state = {}
        for key, value in self.training.items():
            name = key.replace('.linear.', '.')
            if key in self.released() or key == 'pos_embed' or '.qkv.k.' in key or '.qkv.v.' in key:
                continue
            if '.qkv.q.' in name:
                value = torch.cat([self.training[key.replace('.q.', f'.{part}.')] for part in 'qkv'])
                name = name.replace('.q.', '.')
            state[name] = value
        return {**state, **self.weights('dinov2/')}

    def convert(self):
        return convert_lorat_keys(self.released(), self.sizes[1], self.dinov2())

    def tracker(self, prefix='', heads=None, **settings):
        """The plain tracker with all weights of the file."""
        weights = {'': self.merged}.get(prefix) or self.weights(f'{prefix}merged/')
        state = convert_lorat_keys(weights, self.sizes[1]).state
        config = dict(lorat_model_config(state, *self.sizes, heads or self.heads), **settings)
        tracker = MODELS.build(config)
        tracker.load_state_dict(state, strict=True)
        return tracker.eval()

    def inputs(self):
        return dict(template=self.tensor('template'), search=self.tensor('search'),
                    template_mask=self.tensor('mask').float().unsqueeze(1))

    def samples(self):
        """Targets of the training step, boxes in pixels of the search crop."""
        samples = []
        for box in self.data['assign/boxes_xyxy'][:len(self.data['train/gt_boxes_xyxy_normalized'])]:
            samples.append(TrackDataSample())
            samples[-1].gt_instances = InstanceData(bboxes=torch.from_numpy(box[None]).float())
        return samples

    def compare(self, value, key, tolerance, relative=0.0):
        expected = self.tensor(key)
        value = torch.as_tensor(value).detach().reshape(expected.shape)
        excess = ((value - expected).abs() - relative * expected.abs()).max()
        assert excess <= tolerance, f'{key}: {excess:.2e} above {tolerance:.0e}'


@pytest.fixture(scope='module', params=parity_files('assign/indices_0'), ids=lambda file: file.stem)
def case(request):
    return LoRATCase(request.param)

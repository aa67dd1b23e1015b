"""Files of reference numbers of SUTrack, and what their weights make."""
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from parity_files import parity_files

from ct_mm.registry import MODELS
from ct_mm.tracking.models.sutrack.converter.config import sutrack_model_config
from ct_mm.tracking.models.sutrack.converter.weights import convert_sutrack_keys
from ct_mm.tracking.runtime.template_mask import fraction_mask
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import xywh_to_xyxy


class SUTrackCase:
    """One file of reference numbers; every size is read from it."""

    def __init__(self, file):
        self.data = np.load(file)
        config = {key.removeprefix('config/'): int(self.data[key]) for key in self.data.files
                  if key.startswith('config/')}
        self.sizes = config['template_size'], config['search_size']
        self.num_heads, self.depth = config['num_heads'], config['depth']
        self.official = {key.removeprefix('state/'): torch.from_numpy(self.data[key]) for key in self.data.files
                         if key.startswith('state/')}
        self.num_templates = sum(key.startswith('input/template_anno_') for key in self.data.files)
        self.num_stages = sum(key.startswith('rgb/stage') for key in self.data.files)

    def tensor(self, key):
        value = torch.from_numpy(np.asarray(self.data[key]))
        return value.float() if value.dtype == torch.float16 else value

    def weights(self, fold=True):
        return convert_sutrack_keys(self.official, *self.sizes, fold=fold)

    def config(self, fold=True, num_templates=None):
        return sutrack_model_config(self.weights(fold), *self.sizes, num_templates or self.num_templates,
                                    self.num_heads)

    def tracker(self, fold=True, num_templates=None, text=True, **settings):
        """The tracker with all weights of the file."""
        config = dict(self.config(fold, num_templates), **settings)
        config['backbone']['text'] = text
        tracker = MODELS.build(config)
        state = self.weights(fold).state
        if not text:
            del state['backbone.text_token']
        tracker.load_state_dict(state, strict=True)
        return tracker.eval()

    def masks(self):
        """The masks of the templates (B, n, G, G)."""
        boxes = np.stack([self.data[f'input/template_anno_{i}'] for i in range(self.num_templates)], 1)  # (B, n, 4)
        return torch.from_numpy(np.stack([[fraction_mask(box, self.sizes[0]) for box in row] for row in boxes]))

    def inputs(self, kind='rgb'):
        """What the tracker is given: ``rgb``, ``rgb_one_template``, or ``x_language`` with six channels and text."""
        six, number = kind == 'x_language', 1 if kind == 'rgb_one_template' else self.num_templates

        def image(name):
            rgb = self.tensor(f'input/{name}')
            return torch.cat([rgb, self.tensor(f'input/{name}_x')], 1) if six else rgb

        inputs = dict(template=torch.stack([image(f'template_{i}') for i in range(number)], 1),
                      template_mask=self.masks()[:, :number], search=image('search'))
        return dict(inputs, text=self.tensor('text/token_ids')) if six else inputs

    def samples(self, labels):
        """Targets, boxes in pixels of the search crop."""
        boxes = xywh_to_xyxy(self.tensor('train/gt_boxes_xywh_normalized').double()) * (self.sizes[1] - 1)
        samples = []
        for box, label in zip(boxes, labels):
            samples.append(TrackDataSample())
            samples[-1].gt_instances = InstanceData(bboxes=box[None].float(), labels=torch.tensor([int(label)]))
        return samples

    def compare(self, value, key, tolerance, relative=0.0):
        expected = self.tensor(key)
        value = torch.as_tensor(value).detach().reshape(expected.shape)
        excess = ((value - expected).abs() - relative * expected.abs()).max()
        assert excess <= tolerance, f'{key}: {excess:.2e} above {tolerance:.0e}'


@pytest.fixture(scope='module', params=parity_files('rgb/mask_tokens_0'), ids=lambda file: file.stem)
def case(request):
    return SUTrackCase(request.param)

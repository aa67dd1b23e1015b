"""The published mix of training data, on a miniature of each data set."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

BASES = Path(__file__).resolve().parents[4] / 'configs' / '_base_' / 'datasets'


def write_frames(folder, first, digits, count=20):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        cv2.imwrite(str(folder / f'{first + i:0{digits}d}.jpg'), rng.integers(0, 255, (96, 128, 3), dtype=np.uint8))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The current folder has ``data`` with one sequence or object of each of the four."""
    lasot, got10k = tmp_path / 'data/lasot/cat/cat-2', tmp_path / 'data/got10k/train/GOT-10k_Train_000001'
    part, coco = tmp_path / 'data/trackingnet/TRAIN_0', tmp_path / 'data/coco'
    boxes = '40,30,36,28\n' * 20
    write_frames(lasot / 'img', 1, 8)
    (lasot / 'groundtruth.txt').write_text(boxes)
    for name in ('full_occlusion', 'out_of_view'):
        (lasot / f'{name}.txt').write_text(','.join('0' * 20))
    write_frames(got10k, 1, 8)
    (got10k / 'groundtruth.txt').write_text(boxes)
    for name, flag in (('absence', '0'), ('cover', '8')):
        (got10k / f'{name}.label').write_text(f'{flag}\n' * 20)
    (got10k.parent / 'list.txt').write_text('GOT-10k_Train_000001\n')
    write_frames(part / 'frames' / 'x_0', 0, 1)
    (part / 'anno').mkdir()
    (part / 'anno' / 'x_0.txt').write_text(boxes)
    write_frames(coco / 'train2017', 1, 12, count=1)
    (coco / 'annotations').mkdir()
    (coco / 'annotations' / 'instances_train2017.json').write_text(
        json.dumps(
            dict(images=[dict(id=1, file_name='000000000001.jpg', height=96, width=128)],
                 annotations=[dict(id=7, image_id=1, bbox=[20, 20, 60, 55], iscrowd=0, category_id=1)],
                 categories=[dict(id=1, name='cat')])))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('name, template, search', [('sot_pairs', 128, 256), ('sot_pairs_384px', 192, 384)])
def test_all_four_are_drawn_equally_in_the_size_of_the_model(data, name, template, search):
    cfg = Config.fromfile(BASES / f'{name}.py')
    loader = dict(cfg.train_dataloader, num_workers=0, persistent_workers=False, batch_size=64, pin_memory=False)
    assert loader['dataset']['pairs_per_epoch'] == 60000 and loader['dataset']['ratios'] == [1, 1, 1, 1]
    sources = loader['dataset']['sources']
    assert [source.max_gap for source in sources] == [200] * 4
    sources[3].dataset.parts = [0]  # of [0, 1, 2, 3]
    batch = next(iter(Runner.build_dataloader(loader, seed=0)))
    assert batch['inputs']['template'].shape == (64, 3, template, template)
    assert batch['inputs']['search'].shape == (64, 3, search, search)
    files = [sample.source for sample in batch['data_samples']]
    names = ('lasot', 'got10k', 'coco', 'trackingnet')
    counts = [sum(f'data/{name}' in pair[0] for pair in files) for name in names]
    assert sum(counts) == 64 and min(counts) > 5
    for first, second in files:
        assert (first == second) == ('coco' in first)

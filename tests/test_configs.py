"""Every shipped config: it loads, its model is the published one, its crops are those the model takes."""
import functools
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import dump, load

import ct_mm
from ct_mm.compression import ReplacementDistiller
from ct_mm.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, PARAM_SCHEDULERS, TRANSFORMS

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(file.relative_to(ROOT / 'configs').as_posix() for file in (ROOT / 'configs').rglob('*.py')
                 if '_base_' not in file.parts)
STUDENTS = [name for name in CONFIGS if name.startswith('compress_tracker/')]
OSTRACK = [name for name in CONFIGS if name.startswith('ostrack/')]
MIXFORMER = [name for name in CONFIGS if name.startswith('mixformerv2/')]
SUTRACK = [name for name in CONFIGS if name.startswith('sutrack/')]
every_config = pytest.mark.parametrize('name', CONFIGS)


def read(name):
    return Config.fromfile(ROOT / 'configs' / name)


@functools.cache
def built(name):
    """The model that a run of this config trains, its weights never made."""
    cfg = read(name)
    if 'compress' in cfg:
        if not cfg.compress.get('teacher'):
            cfg.compress.teacher = 'named_by_the_user.pth'
        cfg = ct_mm.compress(cfg)
    with torch.device('meta'):
        return MODELS.build(cfg.model)


def tracker_of(model):
    return model.student if isinstance(model, ReplacementDistiller) else model


def millions(model, counted=lambda key: True):
    return sum(value.numel() for key, value in model.named_parameters() if counted(key)) / 1e6


def types_in(value):
    if isinstance(value, dict):
        yield from [value['type']] if isinstance(value.get('type'), str) else []
        for item in value.values():
            yield from types_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from types_in(item)


@every_config
def test_the_model_is_built_and_divided_as_asked(name):
    model = built(name)
    cfg = read(name)
    assert isinstance(model, ReplacementDistiller) == ('compress' in cfg)
    if 'compress' in cfg and not cfg.compress.get('stage_sizes'):
        assert model.divided.plan.num_stages == cfg.compress.num_stages
        assert cfg.runner_type == 'ct_mm.CompressRunner'


@every_config
def test_the_crops_of_the_pipeline_are_those_of_the_model(name):
    cfg = read(name)
    tracker = tracker_of(built(name))
    crops = [TRANSFORMS.build(step) for step in cfg.get('train_dataloader', {}).get('dataset', {}).get('pipeline', [])
             if step['type'].endswith('CropPair')]
    if not crops:
        pytest.skip('this config trains nothing')
    for crop in crops:
        assert (crop.template_size, crop.search_size) == (tracker.backbone.template_size, tracker.backbone.search_size)
    sources = cfg.train_dataloader.dataset.get('sources', [])
    for source in sources:
        templates = 2 if source['type'] == 'ct_mm.ScorePairs' else source.get('num_templates', 1)
        assert templates == getattr(tracker.backbone, 'num_templates', 1)
        crops = tracker.geometry or tracker
        assert (crop.template_factor, crop.search_factor) == (crops.template_factor, crops.search_factor)


@every_config
def test_the_head_fits_the_tokens(name):
    tracker = tracker_of(built(name))
    if not hasattr(tracker.head, 'feat_size'):
        assert tracker.backbone.token_groups['regression'] == 4
        return
    assert tracker.head.feat_size**2 == tracker.backbone.token_groups['search']


@every_config
def test_our_types_carry_our_scope(name):
    ours = {type_name for registry in (MODELS, DATASETS, DATA_SAMPLERS, TRANSFORMS, METRICS, HOOKS, PARAM_SCHEDULERS)
            for type_name in (registry.import_from_location(), registry.module_dict)[1]}
    for kind in types_in(read(name).to_dict()):
        assert kind not in ours, f'{kind} must be written ct_mm.{kind}'
        assert not kind.startswith('ct_mm.') or kind.removeprefix('ct_mm.') in ours, f'{kind} does not exist'


@pytest.mark.parametrize('name', STUDENTS + OSTRACK)
def test_the_size_is_the_published_one(name):
    """The papers count without position embeddings: `thop` sees parameters of known layers only."""
    published = {2: 21.2, 3: 28.3, 4: 35.4, 6: 49.6, 8: 63.7, 12: 92.1}
    model = built(name)
    layers = model.divided.plan.num_stages if isinstance(model, ReplacementDistiller) else 12
    assert abs(millions(tracker_of(model), lambda key: 'pos_embed' not in key) - published[layers]) < 0.1


@pytest.mark.parametrize('layers', [2, 3, 4, 6, 8])
def test_there_is_a_student_of_each_published_number_of_layers(layers):
    model = built(f'compress_tracker/ostrack_vitb_256_{layers}layers.py')
    assert model.divided.plan.num_stages == layers
    assert abs(millions(model.teacher) - 92.37) < 0.1
    assert all(not value.requires_grad for value in model.teacher.parameters())


@pytest.mark.parametrize('name', OSTRACK)
def test_the_recipe_of_ostrack(name):
    cfg = read(name)
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=4e-4, weight_decay=1e-4)
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == dict(backbone=dict(lr_mult=0.1))
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1)
    assert cfg.train_cfg.max_epochs == 300 and cfg.param_scheduler[0].milestones == [240]
    assert cfg.model.backbone.drop_path_rate == 0.1
    assert cfg.train_dataloader.batch_size == 32 and cfg.train_dataloader.dataset.pairs_per_epoch == 60000


@pytest.mark.parametrize('name', [name for name in SUTRACK if 'layers' not in name])
def test_the_recipe_of_sutrack(name):
    cfg = read(name)
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=1e-4, weight_decay=1e-4)
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == dict(backbone=dict(lr_mult=0.1))
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1)
    assert cfg.train_cfg.max_epochs == 180 and cfg.param_scheduler[0].milestones == [144]
    assert cfg.train_dataloader.batch_size == 32 and cfg.train_dataloader.dataset.pairs_per_epoch == 100000
    assert {(source.max_gap, source.causal) for source in cfg.train_dataloader.dataset.sources} == {(400, False)}
    crop, = [step for step in cfg.train_dataloader.dataset.pipeline if step['type'] == 'ct_mm.CropPair']
    assert (crop.center_jitter, crop.scale_jitter) == (3.5, 0.5)
    rates = [getattr(block.drop_path, 'drop_prob', 0) for block in built(name).backbone.blocks]
    first = sum(cfg.model.backbone.stem_depths)
    np.testing.assert_allclose(rates, [0.1 * (first + i) / (first + len(rates) - 1) for i in range(len(rates))])


@pytest.mark.parametrize('variant, main_blocks, students', [('t224', 12, [4]), ('b224', 24, [8, 6, 4]),
                                                            ('l224', 40, [10])])
def test_students_of_sutrack_have_fewer_main_blocks_and_all_else(variant, main_blocks, students):
    teacher = built(f'sutrack/sutrack_{variant}.py')
    block = millions(teacher.backbone.blocks[0])
    for layers in students:
        model = built(f'sutrack/sutrack_{variant}_{layers}layers.py')
        assert [stack.place.path for stack in model.divided.stacks] == ['backbone.blocks']
        assert model.divided.plan.num_layers == main_blocks and model.divided.plan.num_stages == layers
        saved = (main_blocks - layers) * block
        assert abs(millions(teacher) - millions(tracker_of(model)) - saved) < 1e-6


@pytest.mark.parametrize('name', [name for name in MIXFORMER if 'compress' not in read(name)])
def test_the_recipe_of_mixformerv2(name):
    cfg, of_score = read(name), name.endswith('_score.py')
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=1e-4 if of_score else 4e-4, weight_decay=1e-4)
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == dict(backbone=dict(lr_mult=0.1))
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1) and cfg.auto_scale_lr.base_batch_size == 256
    assert (cfg.train_cfg.max_epochs, cfg.param_scheduler[0].milestones) == ((40, [20]) if of_score else (500, [400]))
    assert cfg.train_dataloader.batch_size == 32 and cfg.train_dataloader.dataset.pairs_per_epoch == 60000
    kind = 'ct_mm.ScorePairs' if of_score else 'ct_mm.SequencePairs'
    assert {(source.type, source.max_gap) for source in cfg.train_dataloader.dataset.sources} == {(kind, 200)}
    crop, = [step for step in cfg.train_dataloader.dataset.pipeline if step['type'] == 'ct_mm.CropPair']
    assert (crop.center_jitter, crop.scale_jitter) == (4.5, 0.5)
    model, depth = built(name), cfg.model.backbone.depth
    assert {key.split('.')[1] for key, p in model.named_parameters() if p.requires_grad} == {'score'} or not of_score
    rates = [getattr(block.drop_path, 'drop_prob', 0) for block in model.backbone.blocks]
    np.testing.assert_allclose(rates, np.linspace(0, 0.1, depth))


@pytest.mark.parametrize('name, layers, millions_of_parameters', [
    ('b_4layers', 4, 30.21), ('b_4layers_mlp1', 4, 16.04), ('12layers_8layers', 8, 57.95),
    ('12layers_8layers_removal', 8, 57.95)])
def test_students_of_mixformerv2(name, layers, millions_of_parameters):
    model = built(f'mixformerv2/mixformerv2_{name}.py')
    assert len(model.divided.student_layers) == layers and model.student.head.bins == (96 if name[0] == 'b' else 72)
    assert abs(millions(tracker_of(model)) - millions_of_parameters) < 0.01
    if name.endswith('mlp1'):  # the released -S, whose tables of positions count as parameters in its authors' code
        assert abs(millions(tracker_of(model)) - millions(built('mixformerv2/mixformerv2_s.py'))) < 1e-9
    if name.endswith('removal'):
        assert [copied for copied, in model.divided.plan.copied_layers] == [1, 2, 4, 5, 7, 8, 10, 11]


@pytest.mark.parametrize('name', STUDENTS)
def test_the_recipe_of_compress_tracker(name):
    cfg = ct_mm.compress(read(name))
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=4e-5, weight_decay=1e-4, fused=True)
    assert 'paramwise_cfg' not in cfg.optim_wrapper and cfg.optim_wrapper.clip_grad == dict(max_norm=0.1)
    assert cfg.train_cfg.max_epochs == 500 and cfg.param_scheduler[0].milestones == [400]
    size = re.search(r'_(\d+)_', name)[1]
    assert cfg.model.teacher == f'checkpoints/ostrack_vitb_{size}.pth'
    teacher = read(f'ostrack/ostrack_vitb_{size}.py').model
    assert teacher.backbone.pop('init_cfg').type == 'Pretrained'  # where its training starts, no part of its shape
    assert cfg.model.model == teacher, 'its own teacher, or nothing would fit'


def test_ostrack_384_crops_as_published():
    model = built('ostrack/ostrack_vitb_384.py')
    assert (model.backbone.template_size, model.backbone.search_size) == (192, 384)
    assert (model.geometry.template_factor, model.geometry.search_factor) == (2.0, 5.0)


def write_frames(folder, names):
    """Frames of one grey level."""
    folder.mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.full((120, 160, 3), 90, np.uint8))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A current folder with data/ as the authors ship it: GOT-10k, and one video or photograph of all others."""
    box, root = '60,40,40,30\n', tmp_path / 'data'
    for part, numbers in (('train', (1, 2)), ('val', (1, 2))):
        names = [f'GOT-10k_{part.title()}_{number:06d}' for number in numbers]
        for name in names:
            folder = root / 'got10k' / part / name
            write_frames(folder, [f'{frame:08d}.jpg' for frame in range(1, 21)])
            for file, line in (('groundtruth.txt', box), ('absence.label', '0\n'), ('cover.label', '8\n')):
                (folder / file).write_text(line * 20)
        (root / 'got10k' / part / 'list.txt').write_text('\n'.join(names) + '\n')
    folder = root / 'lasot' / 'airplane' / 'airplane-2'
    write_frames(folder / 'img', [f'{frame:08d}.jpg' for frame in range(1, 21)])
    (folder / 'groundtruth.txt').write_text(box * 20)
    for flags in ('full_occlusion.txt', 'out_of_view.txt'):
        (folder / flags).write_text(','.join('0' * 20))
    for part in range(4):
        folder = root / 'trackingnet' / f'TRAIN_{part}'
        write_frames(folder / 'frames' / f'-x{part}_0', [f'{frame}.jpg' for frame in range(20)])
        (folder / 'anno').mkdir()
        (folder / 'anno' / f'-x{part}_0.txt').write_text(box * 20)
    write_frames(root / 'coco' / 'train2017', ['000000000009.jpg'])
    (root / 'coco' / 'annotations').mkdir()
    dump(
        dict(
            images=[dict(id=9, file_name='000000000009.jpg', width=160, height=120)],
            categories=[dict(id=1, name='bowl')],
            annotations=[dict(id=1, image_id=9, category_id=1, iscrowd=0, area=3600, bbox=[50, 30, 60, 60])]),
        root / 'coco' / 'annotations' / 'instances_train2017.json')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('name', [*OSTRACK, 'compress_tracker/ostrack_vitb_256_4layers.py', *SUTRACK, *MIXFORMER])
def test_the_published_mix_of_data_arrives_in_the_size_of_the_model(name, data):
    cfg = read(name)
    tracker = tracker_of(built(name))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    sampler = iter(DATA_SAMPLERS.build(dict(cfg.train_dataloader.sampler, dataset=dataset)))
    drawn_from = set()
    for _ in range(40):
        item = dataset[next(sampler)]
        for side in ('template', 'search'):
            size = getattr(tracker.backbone, f'{side}_size')
            assert item['inputs'][side].shape[-3:] == (3, size, size)
        drawn_from.add(Path(item['data_samples'].source[0]).parts[1])
    assert drawn_from == {'lasot', 'got10k', 'coco', 'trackingnet'}
    assert len(dataset) == (100000 if name in SUTRACK else 60000)
    if name in SUTRACK:
        cells = tracker.backbone.template_size // 16
        assert item['inputs']['template_mask'].shape == (tracker.backbone.num_templates, cells, cells)
        assert item['data_samples'].gt_instances.labels.tolist() == [0]
    assert len(DATASETS.build(cfg.test_dataloader.dataset)) == 2
    METRICS.build(cfg.test_evaluator)
    assert (cfg.val_dataloader, cfg.val_evaluator) == (cfg.test_dataloader, cfg.test_evaluator)


def test_got10k_alone(data):
    dataset = DATASETS.build(read('_base_/datasets/got10k_pairs.py').train_dataloader.dataset)
    assert {Path(file).parts[1] for draw in range(5) for file in dataset[draw]['data_samples'].source} == {'got10k'}


def metafile_models():
    return [(metafile, model) for metafile in load(ROOT / 'model-index.yml')['Import']
            for model in load(ROOT / metafile)['Models']]


def test_the_model_index_lists_each_published_config_once():
    listed = sorted(model['Config'].removeprefix('configs/') for _, model in metafile_models())
    assert listed == sorted(name for name in CONFIGS if not name.startswith('quickstart/'))
    names = [model['Name'] for _, model in metafile_models()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('metafile, model', metafile_models(), ids=lambda value: value['Name'] if isinstance(
    value, dict) else '')
def test_a_metafile_says_what_is_so(metafile, model):
    content = load(ROOT / metafile)
    assert model['In Collection'] in {collection['Name'] for collection in content['Collections']}
    tracker = tracker_of(built(model['Config'].removeprefix('configs/')))
    assert model['Metadata']['Parameters'] == sum(value.numel() for value in tracker.parameters())
    assert 'Weights' not in model
    for result in model.get('Results', []):
        assert result['Task'] == 'Single Object Tracking'
        assert all(metric.endswith('(paper)') for metric in result['Metrics'])


def test_the_short_budget_starts_from_fitted_layers_and_weighs_normalised_mimic_most():
    cfg = read('compress_tracker/ostrack_vitb_256_4layers.py')
    for key, value in read('_base_/compress_short.py').items():
        cfg.merge_from_dict({key: value})
    cfg.compress.teacher = 'named_by_the_user.pth'
    cfg = ct_mm.compress(cfg)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    mimic = model.losses['mimic']
    assert mimic.normalize and mimic.loss_weight == 100 and model.divided.num_stages == 4
    assert 'ct_mm.StageFitHook' in [hook['type'] for hook in cfg.custom_hooks]

"""The experiment's configs: each is built, divided as its row says, and reads what run.py packs."""
import argparse
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

import ct_mm
from ct_mm.registry import MODELS
from ct_mm.tracking.inference import init_model

FOLDER = Path(__file__).resolve().parents[1] / 'projects' / 'evidence'
CONFIGS = sorted(path.name for path in (FOLDER / 'configs').glob('*.py'))
LAYERS = dict(full_2layers=2, full_3layers=3, full_6layers=6, full_8layers=8, evidence_teacher=12, evidence_tracker=12)


@pytest.fixture
def scripts(monkeypatch):
    """The modules of the experiment, which import each other."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield lambda name: runpy.run_path(str(FOLDER / f'{name}.py'))
    for name in ('rows', 'controls', 'measure', 'speed', 'resize', 'result_file', 'intervals', 'independent'):
        sys.modules.pop(name, None)


@pytest.mark.parametrize('name', [name for name in CONFIGS if 'pairs' not in name and not name.startswith('_')])
def test_the_model_has_the_layers_that_its_name_says(name):
    cfg = Config.fromfile(FOLDER / 'configs' / name)
    cfg.model.backbone.pop('init_cfg', None)
    if 'compress' in cfg:
        cfg = ct_mm.compress(cfg)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    layers = model.divided.num_stages if 'compress' in cfg else len(model.backbone.blocks)
    assert layers == LAYERS.get(name[:-3], 4)
    assert cfg.train_dataloader.dataset.sources[0].type == 'ct_mm.PackedPairs'


def test_every_row_has_its_config_and_rivals_differ_in_what_they_say(scripts):
    rows = scripts('rows')['ROWS']
    assert len({row.name for row in rows}) == len(rows)
    told = {}
    for row in rows:
        cfg = Config.fromfile(FOLDER / 'configs' / row.config)
        told[row.name] = cfg.get('compress', {})
        assert cfg.train_cfg.max_epochs == scripts('run')['EPOCHS']
    full, rate = told['full'], dict(schedule='constant', initial=1.0)
    assert 'replacement' not in full and told['distillation_only'].replacement == rate
    assert told['ground_truth'].mimic is None and told['ground_truth'].guidance is None
    assert told['ground_truth'].replacement == rate and told['ground_truth_first'].replacement == rate
    assert told['fitted_distillation'].replacement == rate and 'replacement' not in told['fitted']
    assert told['no_mimic'].mimic is None and 'guidance' not in told['no_mimic']
    assert told['no_guidance'].guidance is None and told['no_guidance'].mimic == full.mimic


@pytest.mark.parametrize('scale', ['gpu', 'wide', 'cpu', 'narrow'])
def test_no_photograph_is_in_training_and_in_validation(scripts, scale):
    scale, splits = scripts('rows')['SCALES'][scale], {}
    for part in ('', 'val_'):
        dataset = Config.fromfile(FOLDER / 'configs' / f'{part}pairs_{scale.data}.py').train_dataloader.dataset
        splits[part] = tuple(dataset.sources[0].images.splits)
        crop, options = dataset.pipeline[-1], scale.options
        for side in ('template', 'search'):  # what is packed is what the tracker cuts out
            assert crop[f'{side}_size'] == options[f'model.backbone.{side}_size']
            base = Config.fromfile(FOLDER / 'configs' / 'evidence_tracker.py').model
            assert crop[f'{side}_factor'] == options.get(f'model.{side}_factor', base[f'{side}_factor'])
    for digit in '123456789':
        where = [f'val_{digit}01085'.startswith(splits[part]) for part in ('', 'val_')]
        assert where == [digit == '1', digit != '1']


@pytest.mark.parametrize('scale', ['gpu', 'wide', 'cpu', 'narrow'])
def test_the_options_of_a_scale_fit_the_configs(scripts, scale):
    scale = scripts('rows')['SCALES'][scale]
    for name in ('evidence_teacher.py', 'full.py'):
        cfg = Config.fromfile(FOLDER / 'configs' / name)
        cfg.merge_from_dict(scale.options)
        cfg.model.backbone.pop('init_cfg', None)
        model = MODELS.build(cfg.model)
        inputs = {side: torch.zeros(1, 3, *[getattr(model.backbone, f'{side}_size')] * 2)
                  for side in ('template', 'search')}
        assert model.eval()(inputs, mode='tensor')['boxes'].shape == (1, 4)


def test_a_given_teacher_is_taken_as_it_is(scripts, tmp_path, monkeypatch):
    run, rows = scripts('run'), scripts('rows')
    experiment = run['Experiment'](argparse.Namespace(out=tmp_path, scale='narrow'), rows['SCALES']['narrow'])
    measured = []
    monkeypatch.setattr(type(experiment), 'measure', lambda _self, *files: measured.append(files))
    monkeypatch.setattr(type(experiment), 'train', None)
    experiment.start.parent.mkdir(parents=True)
    experiment.start.write_bytes(b'weights')
    experiment.train_teacher()
    [(config, weights, _)] = measured
    assert weights.read_bytes() == b'weights'
    cfg = Config.fromfile(config)
    assert (cfg.model.backbone.embed_dim, cfg.model.search_factor, cfg.model.margin) == (128, 3.0, 2.0)
    assert cfg.test_dataloader.dataset.type == 'ct_mm.SequenceFolder'


@pytest.mark.parametrize('name', ['narrow_student', 'wide_student'])
def test_a_student_that_is_handed_over_is_one_of_its_config(name):
    files = [str(FOLDER / 'checkpoints' / f'{name}{ending}') for ending in ('.py', '.pth')]
    tracker = init_model(*files, 'cpu')
    assert len(tracker.backbone.blocks) == 4
    assert all(torch.isfinite(value).all() for value in tracker.state_dict().values())


def test_positions_are_resized_and_nothing_else(scripts):
    resize = scripts('resize')['resize_positions']
    ramp = torch.arange(8.0).repeat(8)[None, :, None].repeat(1, 1, 3)  # (1, 64, 3), grows with x
    state = {'backbone.pos_embed_template': ramp, 'backbone.pos_embed_search': ramp, 'head.a': torch.ones(2).half()}
    resized = resize(state, dict(template=4, search=8))
    torch.testing.assert_close(resized['backbone.pos_embed_search'], ramp)
    small = resized['backbone.pos_embed_template'].view(4, 4, 3)
    torch.testing.assert_close(small[0], small[3])
    assert np.all(np.diff(small[0, :, 0]) > 1.5) and resized['head.a'].dtype == torch.float32


def test_the_report_shows_two_scales_and_keeps_their_numbers_apart(scripts, tmp_path):
    report = scripts('report')
    sequence = tmp_path / 'sequences' / 'a'
    sequence.mkdir(parents=True)
    (sequence / 'groundtruth.txt').write_text('1,1,9,9\n' * 3)
    for i in range(3):
        (sequence / f'{i}.jpg').touch()
    aos = {('narrow', 'teacher'): [0.5], ('narrow', 'full'): [0.4, 0.2], ('wide', 'teacher'): [0.8],
           ('wide', 'fitted_distillation'): [0.6], ('wide', 'static'): [0.1]}
    for (scale, name), values in aos.items():
        for seed, ao in enumerate(values):
            scores = dict(ao=ao, success=100 * ao, precision=50.0, norm_precision=50.0, pair_iou=0.5)
            file = tmp_path / 'out' / scale / name / f'seed{seed}' / 'results.json'
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(dict(all=scores, sequences=dict(a=scores), pair_iou=0.5)))
    page = tmp_path / 'docs' / 'page.md'
    report['main'](['--scale', 'narrow', '--also', 'wide', '--out', str(tmp_path / 'out'), '--doc', str(page),
                    '--sequences', str(tmp_path / 'sequences'), '--results', str(tmp_path / 'results'), '--collect'])
    text = page.read_text()
    wide, narrow = text[text.index('## At the scale wide'):].split('## The method', 1)
    assert '75.0%' in wide and '60.0%' not in wide
    assert '*fitted layers, no replacement* (0.500)' in ' '.join(wide.split())
    assert '60.0%' in narrow and '0.300 (0.200 to 0.400)' in narrow
    assert '*full method* (0.500)' in ' '.join(narrow.split())
    lines = page.with_suffix('.csv').read_text().splitlines()
    assert len(lines) == 1 + sum(map(len, aos.values())) and lines[0].startswith('scale,tracker,seed,ao')
    assert [line.split(',')[:4] for line in lines if 'full' in line] == [
        ['narrow', 'full', '0', '0.4'], ['narrow', 'full', '1', '0.2']]
    assert (page.parent / 'images' / 'page.png').stat().st_size > 1000


def test_the_page_is_what_the_committed_results_give(scripts, tmp_path):
    page = tmp_path / 'evidence.md'
    scripts('report')['main'](['--scale', 'narrow', '--also', 'wide', '--notes', str(FOLDER / 'notes.md'), '--doc',
                               str(page)])
    docs = FOLDER.parents[1] / 'docs'
    assert page.read_text() == (docs / 'evidence.md').read_text()
    assert page.with_suffix('.csv').read_text() == (docs / 'evidence.csv').read_text()


def test_the_best_row_is_chosen_by_validation_and_not_by_its_score(scripts, tmp_path):
    def row(ao, iou):
        return [dict(all=dict(ao=ao), sequences=dict(a=dict(ao=ao)), pair_iou=iou)]

    file = tmp_path / 'narrow.json'
    file.write_text(json.dumps(dict(
        frames=dict(a=10), runs={}, speed=dict(ratios={}),
        found=dict(teacher=row(0.8, 0.9), full=row(0.7, 0.5), fitted=row(0.4, 0.6), full_8layers=row(0.8, 0.9)))))
    results = scripts('result_file')['Results'](file)
    assert results.best_on_validation() == 'fitted' and results.retained('fitted').value == pytest.approx(0.5)


def test_intervals_cover_sequences_and_seeds(scripts):
    ratio = scripts('intervals')['bootstrap_ratio']
    frames, teacher = np.array([100, 100, 100]), np.full((1, 3), 0.8)
    assert ratio(teacher / 2, teacher, frames) == pytest.approx((0.5, 0.5, 0.5))
    seeds = ratio(np.array([[0.4] * 3, [0.6] * 3, [0.5] * 3]), teacher, frames)
    assert seeds.value == pytest.approx(0.625) and seeds.low < 0.56 and seeds.high > 0.69, 'seeds alone'
    parts = ratio(np.array([[0.8, 0.4, 0.0]]), teacher, frames)
    assert parts.low < 0.2 and parts.high > 0.8, 'sequences alone'
    assert ratio(np.array([[0.4, 0.8]]), np.full((1, 2), 0.8), np.array([300, 100])).value == pytest.approx(0.625)


def test_independent_numbers_belong_to_the_weights_with_their_digest(scripts, tmp_path):
    part = scripts('independent')['independent_part']
    table = part(FOLDER.parents[1])[-1]
    assert '0.562' in table and '0.360 (80.5% of its teacher)' in table and 'not yet checked' not in table
    assert part(tmp_path)[-1].count('not yet checked independently') == 8

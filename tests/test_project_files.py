"""What stands around the package says what is so: citation, workflows, forms, the image, the project for guests."""
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.structures import InstanceData

import ct_mm
from ct_mm.registry import MODELS
from ct_mm.tracking.structures import TrackDataSample

ROOT = Path(__file__).resolve().parents[1]
FORMS = sorted((ROOT / '.github').rglob('*.yml'))
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def read(name):
    return (ROOT / name).read_text(encoding='utf-8')


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load(read('CITATION.cff'))
    assert citation['version'] == ct_mm.__version__ and citation['license'] == 'Apache-2.0'
    assert citation['references'][0]['url'].rsplit('/', 1)[-1] in README


@pytest.mark.parametrize('form', FORMS, ids=lambda form: form.name)
def test_workflows_and_forms_are_read(form):
    content = yaml.safe_load(form.read_text(encoding='utf-8'))
    for job in content.get('jobs', {}).values():
        assert job['timeout-minutes'] <= 120 and job['steps']
        for step in job['steps']:
            for command in re.findall(r'^\.ci/\S+', step.get('run', ''), flags=re.MULTILINE):
                assert (ROOT / command).is_file()
    for item in content.get('body', []):
        assert item['attributes']['label']


def test_every_page_names_one_lowest_python():
    named = {'README.md': re.search(r'You need Python (\d\.\d+)', README)[1],
             'setup.py': re.search(r"python_requires='>=(\d\.\d+)'", read('setup.py'))[1],
             'docker/Dockerfile': re.search(r'^FROM python:(\d\.\d+)', read('docker/Dockerfile'), re.MULTILINE)[1],
             'pyproject.toml': re.sub(r'py3(\d+)', r'3.\1', re.search(r'target-version = "(\w+)"',
                                                                      read('pyproject.toml'))[1])}
    assert len(set(named.values())) == 1, named


def test_the_image_is_installed_as_the_readme_says():
    installed = re.findall(r"^RUN pip install --no-cache-dir (-c requirements.txt -e '\.\[(.*)\]')$",
                           read('docker/Dockerfile'), flags=re.MULTILINE)
    assert len(installed) == 1
    extras = {extra for found in re.findall(r"-e '\.\[(.*?)\]'", README) for extra in found.split(',')}
    assert set(installed[0][1].split(',')) <= extras


def test_links_of_the_pages_around_the_package_lead_somewhere():
    for name in ('CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'projects/example_project/README.md'):
        page = ROOT / name
        for target in re.findall(r'\]\((?!http)([^)#]+)', page.read_text(encoding='utf-8')):
            assert (page.parent / target).exists(), f'{name}: {target}'


def test_the_model_zoo_is_that_of_the_metafiles():
    done = subprocess.run([sys.executable, ROOT / 'docs' / 'write_zoo.py', '--check'], capture_output=True, text=True,
                          timeout=60)
    assert (done.returncode, done.stdout) == (0, ''), f'{done.stdout}{done.stderr}run python docs/write_zoo.py'


def test_the_project_for_guests_adds_its_loss_to_the_quick_start():
    folder = ROOT / 'projects' / 'example_project'
    sys.path.insert(0, str(ROOT))
    try:
        cfg = ct_mm.compress(Config.fromfile(folder / 'bunny_tiny_4layers_similarity.py'))
    finally:
        sys.path.remove(str(ROOT))
    torch.manual_seed(0)
    distiller = MODELS.build(cfg.model)
    distiller.init_weights()
    distiller.path = (True, ) * 4
    size = distiller.student.backbone
    images = dict(template=torch.randn(2, 3, size.template_size, size.template_size),
                  search=torch.randn(2, 3, size.search_size, size.search_size))
    samples = []
    for _ in range(2):
        samples.append(TrackDataSample())
        samples[-1].gt_instances = InstanceData(bboxes=torch.tensor([[20., 20., 60., 60.]]))
    losses = distiller(images, samples, mode='loss')
    assert losses['loss_similarity'] > 0 and losses['loss_similarity'].requires_grad

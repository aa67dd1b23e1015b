"""The plan of the package, read from its imports: which room may use which, and that nothing runs in circles."""
import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: By room: how far up it is. What is not listed is the floor.
STOREYS = dict(engine=1, compression=2, tracking=2, deployment=3, cli=4, train=4, test=4, track=4)
#: The public names that ``ct_mm`` fetches when they are first asked for.
LAZY = ('ct_mm', 'ct_mm.compression')


def imported_modules(file: Path, package: str) -> set:
    """The absolute names of all modules that a file imports, at any depth, relative imports resolved."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split('.')[:len(package.split('.')) - node.level + 1] if node.level else []
            module = '.'.join([*parents, *([node.module] if node.module else [])])
            names.update(f'{module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
            if called in ('import_module', '__import__'):
                names.add(str(node.args[0].value))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and ast.unparse(
                node.targets[0]) == '_LAZY':  # names that a package fetches later, by the module that has them
            names.update(f'{package}.{value.value}' for value in node.value.values)
    return names


def dotted(file: Path) -> str:
    """The name of a file's module."""
    return '.'.join(file.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')


@pytest.fixture(scope='module')
def imports() -> dict:
    """By module of the package: the modules of the package that it imports, be it in a function or for types alone."""
    files = {dotted(file): file for file in (ROOT / 'ct_mm').rglob('*.py') if '.mim' not in file.parts}
    found = {}
    for module, file in files.items():
        package = module if file.name == '__init__.py' else module.rpartition('.')[0]
        names = imported_modules(file, package)
        found[module] = {name if name in files else name.rpartition('.')[0] for name in names} & files.keys() - {module}
    assert len(found) > 150 and sum(map(len, found.values())) > 300
    found[LAZY[0]].remove(LAZY[1])
    return found


def room(module: str) -> str:
    """The folder or file directly in the package that a module belongs to."""
    return module.split('.')[1] if '.' in module else ''


@pytest.mark.parametrize('wing, other', [('compression', 'tracking'), ('tracking', 'compression')])
def test_the_wings_do_not_import_each_other(wing, other):
    files = list((ROOT / 'ct_mm' / wing).rglob('*.py'))
    assert files
    for file in files:
        package = '.'.join(file.parent.relative_to(ROOT).parts)
        wrong = [name for name in imported_modules(file, package) if f'{name}.'.startswith(f'ct_mm.{other}.')]
        assert not wrong, f'{file.relative_to(ROOT)} imports {wrong}'


def test_the_import_reader_sees_every_kind_of_import(tmp_path):
    file = tmp_path / 'a.py'
    file.write_text('def f():\n    from ...tracking.models import b\n    from ... import tracking\n'
                    "import ct_mm.tracking.c\nimportlib.import_module('ct_mm.tracking.d')\n"
                    "if TYPE_CHECKING:\n    from .e import f\n_LAZY = {'g': 'h.g'}\n")
    assert imported_modules(file, 'ct_mm.compression.hooks') == {
        'ct_mm.tracking.models.b', 'ct_mm.tracking', 'ct_mm.tracking.c', 'ct_mm.tracking.d',
        'ct_mm.compression.hooks.e.f', 'ct_mm.compression.hooks.h.g'}


def test_no_import_leads_upwards(imports):
    wrong = [f'{module} imports {name}' for module, names in imports.items() for name in names
             if STOREYS.get(room(module), 0) < STOREYS.get(room(name), 0)]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle(imports):
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(' <- '.join(error.args[1]))


def test_few_files_lie_directly_in_the_package():
    assert len(list((ROOT / 'ct_mm').glob('*.py'))) <= 10


def test_the_engine_has_no_word_of_what_is_trained():
    for file in (ROOT / 'ct_mm' / 'engine').rglob('*.py'):
        words = re.findall(r'(?i)teacher|student|frame|template|tracking', file.read_text(encoding='utf-8'))
        assert not words, f'{file.relative_to(ROOT)} says {words}'


@pytest.mark.parametrize('package', ['ct_mm.engine', 'ct_mm.engine.checkpoints', 'ct_mm.tracking', 'ct_mm.deployment'])
def test_importing_a_room_is_cheap(package):
    heavy = ['torch', 'mmengine', 'mmcv', 'cv2', 'numpy']
    code = f'import sys, {package}; print([name for name in {heavy} if name in sys.modules])'
    output = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == '[]'

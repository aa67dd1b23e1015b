"""The script that draws training pairs."""
import cv2
import pytest

SCRIPT = 'analysis_tools/browse_dataset.py'
CONFIG = """
_base_ = ['{base}/configs/quickstart/tiny_tracker.py'{compress}]
train_dataloader = dict(dataset=dict(sources=[dict(
    type='ct_mm.SequencePairs', dataset=dict(type='ct_mm.SequenceFolder', data_root='{data}'))]))
"""


@pytest.fixture
def config(tmp_path):
    """Writes a config that trains on two sequences of noise."""
    import numpy as np

    from ct_mm.package_files import package_file
    rng = np.random.default_rng(0)
    for name in ('left', 'right'):
        (tmp_path / 'data' / name).mkdir(parents=True)
        for index in range(3):
            cv2.imwrite(str(tmp_path / 'data' / name / f'{index}.png'), rng.integers(0, 255, (90, 120, 3), np.uint8))
        (tmp_path / 'data' / name / 'groundtruth.txt').write_text('50,40,24,20\n' * 3)

    def make(compress=''):
        path = tmp_path / 'config.py'
        path.write_text(CONFIG.format(base=package_file('configs').parent, compress=compress, data=tmp_path / 'data'))
        return path

    return make


def test_sheets_of_pairs(run_tool, config, tmp_path, capsys):
    run_tool(SCRIPT, config(), '--output-dir', tmp_path / 'out', '--show-number', 3, '--per-sheet', 2, '--start', 60000,
             '--not-show')
    files = [tmp_path / 'out' / f'draws_{draws}.png' for draws in ('060000-060001', '060002-060002')]
    printed = [line for line in capsys.readouterr().out.splitlines() if line.endswith('.png')]  # others may log
    assert printed == [str(file) for file in files]
    assert cv2.imread(str(files[0])).shape[1] == 2 * cv2.imread(str(files[1])).shape[1]


def test_the_config_of_a_compression_and_its_options(run_tool, config, tmp_path):
    run_tool(SCRIPT, config(", 'ct_mm::_base_/compress.py'"), '--out-dir', tmp_path / 'out', '--show-number', 1,
             '--cfg-options', 'train_dataloader.dataset.pipeline.2.search_size=224')
    small = cv2.imread(str(tmp_path / 'out' / 'draws_000000-000000.png')).shape
    assert small[1] == 2 * (56 + 224) + 3 * 8, 'a search region of 224 pixels is shown twice as large'


@pytest.mark.parametrize('arguments, message', [
    (['nothing.py'], "'nothing.py' is neither"),
    (['tiny_tracker.py', '--show-number', '0'], 'at least 1'),
    (['{config}', '--cfg-options', 'train_dataloader.dataset.sources.0.dataset.data_root=nowhere'], 'nowhere'),
])
def test_mistakes_end_in_a_usage_error(run_tool, config, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT, *(argument.format(config=config()) for argument in arguments), '--out-dir', tmp_path / 'out')
    assert message in capsys.readouterr().err

"""Trackers in files of each format."""
import pytest


@pytest.fixture(scope='session')
def exported(tmp_path_factory, make_tracker):
    """Writes the tiny tracker in a format and returns the path; skips where a package of the format is missing."""
    folder, files = tmp_path_factory.mktemp('exported'), {}

    def make(file_format):
        needed = dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', )).get(file_format, ())
        for module in needed:
            pytest.importorskip(module, reason=f'{file_format} needs {module}')
        from ct_mm.deployment.export.export_tracker import export_tracker
        from ct_mm.deployment.export.formats import FORMATS
        if file_format not in files:
            files[file_format] = folder / f'tracker{FORMATS[file_format][0]}'
            export_tracker(make_tracker(), files[file_format], file_format)
        return files[file_format]

    return make

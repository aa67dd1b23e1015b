"""Packaging of ct_mm.

The distribution is called ct-mm, so that ``mim train ct_mm`` (which looks for a distribution of that name) finds it.
"""
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithMimMirror(build_py):
    """Puts tools/ and configs/ into a wheel a second time, as ``ct-mm/.mim``.

    onedl-mim 0.5.1 takes the first folder in a wheel's sorted RECORD for the package. With ct_mm that is
    ``ct_mm-0.1.0.dist-info`` ('-' sorts before '/'), where there are no tools. ``ct-mm`` sorts before both.
    For the same reason the package has no console scripts: ``../../../bin`` would come first.
    """

    mirrored = ('configs', 'tools', 'model-index.yml')

    def run(self) -> None:
        """Builds as usual, then writes the mirror (a wheel only; an editable install is found without it)."""
        super().run()
        if self.editable_mode:
            return
        for target, source in self._mirror().items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list:
        """Lists the mirror among the files that were built."""
        outputs = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else outputs + [str(target) for target in self._mirror()]

    def _mirror(self) -> dict:
        pairs = {}
        for name in self.mirrored:
            source = (ROOT / 'ct_mm' / '.mim' / name).resolve()
            for file in [source] if source.is_file() else source.rglob('*'):
                if file.is_file() and '__pycache__' not in file.parts:
                    pairs[Path(self.build_lib, 'ct-mm', '.mim', name) / file.relative_to(source)] = file
        return pairs


def read_version() -> str:
    """Reads the version without importing the package, which needs MMEngine."""
    scope = {}
    exec((ROOT / 'ct_mm' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


setup(
    name='ct-mm',
    version=read_version(),
    description='Compresses transformer trackers inside OpenMMLab, by the method of CompressTracker',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The ct_mm authors',
    license='Apache-2.0',
    license_files=['LICENSE'],
    packages=find_packages(include=['ct_mm', 'ct_mm.*']),
    package_data={'ct_mm': ['.mim/**/*', 'tracking/datasets/splits/*']},
    cmdclass={'build_py': BuildWithMimMirror},
    python_requires='>=3.11',
    # MMEngine and MMCV are missing on purpose: each has two distributions that fill the same modules, and
    # naming one would overwrite the other. `import ct_mm` says what is missing; the first two extras bring it.
    install_requires=['filelock>=3.12', 'numpy>=1.23', 'opencv-python>=4.6', 'torch>=2.7'],
    extras_require={
        'onedl': ['onedl-mmengine>=0.10.12,<0.11', 'onedl-mmcv>=2.3.6,<2.4', 'onedl-mim>=0.5.1,<0.6'],
        # Without openmim: its dependencies pin setuptools~=60.2, which torch >= 2.13 refuses.
        # MMEngine 0.10.7 reads `ct_mm::folder/file.py` with pkg_resources, which setuptools 82 no longer has.
        'openmmlab': ['mmengine>=0.10.7,<0.11', 'mmcv-lite>=2.2.0,<2.3', 'setuptools>=77,<82'],
        # Exporting, quantising, running exported trackers, drawing; a device needs one of the two runtimes alone.
        'deploy': ['imageio-ffmpeg>=0.5', 'nncf>=3.4', 'onnx>=1.23', 'onnxruntime>=1.32', 'onnxscript>=0.7',
                   'openvino>=2026.4'],
        # JPEGs decoded in half the time, with the same pixels.
        'fast': ['simplejpeg>=1.9'],
        # Students as .safetensors files, see tools/export_student.py.
        'safetensors': ['safetensors>=0.4'],
        # The site made of docs/ and the docstrings.
        'docs': ['mkdocs-material>=9.5,<10', 'mkdocstrings[python]>=1.0,<2'],
        'quickstart': ['imageio-ffmpeg>=0.5', 'scikit-image>=0.22'],
        'tests': ['pytest>=7.4', 'pytest-xdist>=3.5', 'ruff>=0.6', 'safetensors>=0.4', 'simplejpeg>=1.9'],
    })

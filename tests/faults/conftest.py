"""The toy training in a folder of the test."""
import pytest
import toy_training


@pytest.fixture
def toys(monkeypatch):
    """Sets what one of the toy's parts does: ``toys(Numbers=function)``."""

    def act(**functions):
        for name, function in functions.items():
            monkeypatch.setattr(getattr(toy_training, name), 'act', staticmethod(function))

    return act


@pytest.fixture
def config(tmp_path):
    """The config of the toy training in the folder of that name."""
    return lambda name='run', **more: toy_training.toy_config(tmp_path / name, **more)


@pytest.fixture
def train(tmp_path):
    """Trains in the folder of that name; returns the runner."""
    return lambda name='run', prepare=None, **more: toy_training.toy_train(tmp_path / name, prepare, **more)


@pytest.fixture
def same():
    """Whether two trainings, or their checkpoints, ended with the same bits everywhere."""
    return toy_training.same

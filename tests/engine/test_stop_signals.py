import signal
import threading

import pytest

from ct_mm.engine.stop_signals import NotedSignals, known_signals
from ct_mm.tracking.video.stop_signals import StopSignals


@pytest.fixture
def handled():
    """Signals that reach a handler of the test's own."""
    seen, before = [], signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


def test_signals_are_noted_and_all_is_as_before_afterwards(handled):
    with NotedSignals(known_signals('SIGTERM', 'SIGNOTHING')) as signals:
        assert signals.received == 0
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM and handled == []
    signal.raise_signal(signal.SIGTERM)
    assert handled == [signal.SIGTERM]


def test_outside_of_the_main_thread_none_is_noted(handled):
    def run():
        with NotedSignals([signal.SIGTERM]) as signals:
            kept.append(signals._before)

    kept = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert kept == [{}]


def test_a_second_signal_ends_a_video_and_an_ignored_one_stays_ignored(handled):
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert (stop.received, handled) == (signal.SIGTERM, [])
        signal.raise_signal(signal.SIGTERM)
        assert handled == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.received == 0

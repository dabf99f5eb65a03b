import pytest

from mtl.config import Config
from mtl.monitor import progress


class Clock:
    """A clock that the test sets."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_the_first_line_has_no_speed_and_the_next_one_has(clock):
    lines = []
    watch = progress.Progress(Config(steps=700, batch_size=7), lines.append)
    watch(100, 1.25, {"length": 0.5, "digit1": 2.0})
    clock.now += 4.0
    watch(200, -3.5, {"length": 0.25, "digit1": 1.0})
    assert lines[0] == "step 100/700  cost 1.250  length 0.500  digit1 2.000"
    # 100 steps of 7 images in 4 s; 500 steps at 25 a second are left.
    assert (
        lines[1] == "step 200/700  175 images/s  0:20 left  cost -3.500  length 0.250  digit1 1.000"
    )


def test_pauses_do_not_count(clock):
    lines = []
    watch = progress.Progress(Config(steps=700, batch_size=7), lines.append)
    watch(100, 0.0, {})
    with watch.paused():
        clock.now += 50.0
    clock.now += 4.0
    watch(200, 0.0, {})
    assert "175 images/s" in lines[1]


def test_a_pause_before_the_first_line_is_no_error(clock):
    lines = []
    watch = progress.Progress(Config(), lines.append)
    with watch.paused():
        clock.now += 1.0
    watch(1, 0.0, {})
    assert len(lines) == 1


@pytest.mark.parametrize(
    "value, marked", [(0.0, True), (1e-37, True), (1.1e-37, False), (1e-6, False)]
)
def test_a_task_at_the_clips_floor_is_marked(clock, value, marked):
    lines = []
    progress.Progress(Config(), lines.append)(1, -85.2, {"length": value, "digit1": 2.0})
    assert ("length 0.000 (AT FLOOR)" in lines[0]) == marked
    assert "digit1 2.000 (AT FLOOR)" not in lines[0]

import pytest

from mtl.config import Config
from mtl.monitor import progress


class Clock:
    """A monotonic clock that a test sets."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


@pytest.fixture
def lines():
    return []


@pytest.fixture
def line(clock, lines):
    return progress.Progress(Config(steps=700, batch_size=7), lines.append)


def test_speed_from_the_second_line_on(clock, line, lines):
    line(100, 1.25, {"length": 0.5, "digit1": 2.0})
    clock.now += 4.0
    line(200, -3.5, {"length": 0.25, "digit1": 1.0})
    # 100 steps of 7 images took 4 s; 500 steps are left, at 25 steps/s.
    assert lines == [
        "step 100/700  cost 1.250  length 0.500  digit1 2.000",
        "step 200/700  175 images/s  0:20 left  cost -3.500  length 0.250  digit1 1.000",
    ]


def test_pauses_do_not_count(clock, line, lines):
    line(100, 0.0, {})
    with line.paused():
        clock.now += 50.0
    clock.now += 4.0
    line(200, 0.0, {})
    assert "175 images/s" in lines[1]


def test_pause_before_the_first_line(clock, line, lines):
    with line.paused():
        clock.now += 1.0
    line(1, 0.0, {})
    assert lines == ["step 1/700  cost 0.000"]


@pytest.mark.parametrize(
    "loss, marked", [(0.0, True), (1e-37, True), (1.1e-37, False), (1e-6, False)]
)
def test_marks_a_task_at_the_clip_floor(line, lines, loss, marked):
    line(1, -85.2, {"length": loss, "digit1": 2.0})
    assert ("length 0.000 (AT FLOOR)" in lines[0]) == marked
    assert "digit1 2.000 (AT FLOOR)" not in lines[0]

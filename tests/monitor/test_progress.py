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


@pytest.fixture
def timed(clock, lines):
    return progress.Progress(Config(steps=700, batch_size=7), lines.append, timed=True)


def test_first_step_starts_the_clock_of_the_first_line(clock, line, lines):
    line.each_step(1, 9.0, {})
    clock.now += 500.0
    line.each_step(2, 9.0, {})
    assert lines == []  # only log_every decides
    line(101, 1.25, {})
    assert lines == ["step 101/700  1 images/s  49:55 left  cost 1.250"]


def test_a_slow_event_file_gives_no_second_line_of_a_step(clock, timed, lines):
    timed(1, 9.0, {})
    clock.now += 30.0
    timed.each_step(1, 9.0, {})
    assert lines == ["step 1/700  cost 9.000"]
    clock.now += 2.0
    timed.each_step(3, 9.0, {})
    assert lines[1:] == ["step 3/700  0 images/s  185:52 left  cost 9.000"]


def test_terminal_gets_a_line_after_a_second_and_then_every_10(clock, timed, lines):
    shown = []
    for step in range(1, 300):  # four steps a second
        timed.each_step(step, 1.25, {"length": 0.5})
        shown += [step] * (len(lines) - len(shown))
        clock.now += 0.25
    assert shown == list(range(1 + 4 * 1, 300, 4 * 10))
    assert lines[0] == "step 5/700  28 images/s  2:54 left  cost 1.250  length 0.500"


def test_lines_of_log_every_delay_the_timed_ones(clock, timed, lines):
    timed.each_step(1, 0.0, {})
    clock.now += 1.0
    timed(5, 0.0, {})
    clock.now += 9.0
    timed.each_step(50, 0.0, {})
    assert len(lines) == 1
    clock.now += 1.0
    timed.each_step(55, 0.0, {})
    assert [line.split("/")[0] for line in lines] == ["step 5", "step 55"]


def test_slow_steps_have_a_line_each(clock, timed, lines):
    for step in (1, 2, 3):
        timed.each_step(step, 0.0, {})
        clock.now += 60.0
    assert [line.split("  ")[:3] for line in lines] == [
        ["step 2/700", "0 images/s", "698:00 left"],
        ["step 3/700", "0 images/s", "697:00 left"],
    ]


def test_pause_delays_a_timed_line(clock, timed, lines):
    timed.each_step(1, 0.0, {})
    with timed.paused():
        clock.now += 300.0
    clock.now += 0.5
    timed.each_step(2, 0.0, {})
    assert lines == []
    clock.now += 0.5
    timed.each_step(3, 0.0, {})
    assert "14 images/s  5:48 left" in lines[0]


def test_pauses_do_not_count(clock, line, lines):
    line(100, 0.0, {})
    with line.paused():
        clock.now += 50.0
    clock.now += 4.0
    line(200, 0.0, {})
    assert "175 images/s" in lines[1]


def test_time_left_contains_the_evaluations_to_come(clock, lines):
    record = Config(steps=700, batch_size=7, save_every=300)
    line = progress.Progress(record, lines.append, examples=1050)
    line(100, 0.0, {})
    clock.now += 4.0
    line(200, 0.0, {})  # 20 s of steps; at steps 300, 600 and 700, 1050 images at 3 * 175 a second
    with line.paused():
        clock.now += 5.0
    clock.now += 4.0
    line(300, 0.0, {})  # 16 s of steps and three evaluations of 5 s, that of step 300 too
    clock.now += 12.0
    line(600, 0.0, {})
    clock.now += 4.0
    line(700, 0.0, {})
    assert [part for line in lines for part in line.split("  ") if "left" in part] == [
        "0:26 left",
        "0:31 left",
        "0:14 left",
        "0:05 left",
    ]


def test_several_views_take_longer(clock, lines):
    record = Config(steps=700, batch_size=7, views=4)
    line = progress.Progress(record, lines.append, examples=1050)
    line(100, 0.0, {})
    clock.now += 4.0
    line(200, 0.0, {})
    assert "0:30 left" in lines[1]  # 20 s, and 5 passes of 2 s


def test_pause_before_the_first_line(clock, line, lines):
    with line.paused():
        clock.now += 1.0
    line(1, 0.0, {})
    assert lines == ["step 1/700  cost 0.000"]


@pytest.fixture
def own(clock, lines):
    record = Config(steps=700, batch_size=7, tasks="digit:10,height:real", dataset="npz")
    return progress.Progress(record, lines.append)


def test_own_tasks_have_examples(clock, own, lines):
    own(100, 1.25, {"digit": 0.5})
    clock.now += 4.0
    own(200, 1.25, {"digit": 0.5})
    assert lines[1] == "step 200/700  175 examples/s  0:20 left  cost 1.250  digit 0.500"


def test_many_tasks_show_the_largest_losses(clock, own, lines):
    own(100, 1.25, {f"t{k}": k * 4 % 9 for k in range(9)})
    shown = "t2 8.000  t4 7.000  t6 6.000  t8 5.000"
    assert lines == [f"step 100/700  cost 1.250  largest of 9 losses:  {shown}"]
    clock.now += 1.0
    own(101, 1.25, {f"t{k}": 0.5 for k in range(progress.ALL)})
    assert lines[1].count(" 0.500") == progress.ALL


@pytest.mark.parametrize(
    "loss, marked", [(0.0, True), (1e-37, True), (1.1e-37, False), (1e-6, False)]
)
def test_marks_a_task_at_the_clip_floor(line, lines, loss, marked):
    line(1, -85.2, {"length": loss, "digit1": 2.0})
    assert ("length 0.000 (AT FLOOR)" in lines[0]) == marked
    assert "digit1 2.000 (AT FLOOR)" not in lines[0]

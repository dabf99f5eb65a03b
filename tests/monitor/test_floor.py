"""mtl.monitor.floor: how many steps had a task at the floor, also after a continued run."""

import json
import os

import pytest

from mtl.errors import DataError
from mtl.monitor import floor

FLOOR = 0.01
LOSSES = [{"a": 0.5, "b": 0.2}, {"a": 0.01, "b": 0.2}, {}, {"a": 0.3, "b": 0.0}]
NAN = float("nan")


@pytest.fixture
def opened(tmp_path):
    """A function step -> the Floor of a process that continues from this step."""
    return lambda first: floor.Floor(FLOOR, str(tmp_path), first)


@pytest.fixture
def save(tmp_path):
    """A function (Floor, step) that writes what is written before a checkpoint."""

    def write(counted, step):
        for name, text in counted.texts(step).items():
            (tmp_path / name).write_text(text)

    return write


def count(counted, *steps):
    for losses in steps:
        counted.each_step(losses)


def test_counts_steps_and_not_tasks(opened):
    counted = opened(0)
    found = []
    for losses in (*LOSSES, {"a": 0.0, "b": 0.0}):
        count(counted, losses)
        found.append(counted.count)
    assert found == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("losses", [{"a": NAN, "b": 0.0}, {"a": 0.0, "b": NAN}])
def test_nan_does_not_hide_a_task_at_the_floor(opened, losses):
    counted = opened(0)
    count(counted, {"a": NAN, "b": NAN}, losses)
    assert counted.count == 1


@pytest.mark.parametrize("stopped", range(1, 4))
def test_a_continued_run_has_the_count_of_a_whole_one(opened, save, stopped):
    counted = opened(0)
    count(counted, *LOSSES[:stopped])
    save(counted, stopped)
    count(counted, *LOSSES[stopped:])  # not saved
    again = opened(stopped)
    count(again, *LOSSES[stopped:])
    assert again.count == counted.count == 2


def test_the_count_before_a_killed_or_damaged_save_is_kept(opened, save):
    counted = opened(0)
    for step in range(1, 9):
        count(counted, {"a": 0.0})
        save(counted, step)
    # Checkpoint 8 may be unfinished, and then 7 damaged.
    assert [opened(step).count for step in (8, 7, 6)] == [8, 7, 6]
    assert opened(5).count is None
    again = opened(6)
    count(again, {"a": 1.0})
    save(again, 7)
    assert opened(7).count == 6 and opened(8).count is None


def test_a_new_run_does_not_take_the_counts_of_a_killed_one(opened, save):
    counted = opened(0)
    count(counted, {"a": 0.0})
    save(counted, 1)  # killed before the first checkpoint is complete
    counted = opened(0)
    assert counted.count == 0
    save(counted, 2)
    assert opened(2).count == 0 and opened(1).count is None


def test_a_run_without_the_file_has_no_count_until_its_end(opened, save):
    counted = opened(20)
    count(counted, {"a": 0.0})
    save(counted, 21)
    assert counted.count is None and opened(21).count is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{",
        '{"steps_at_floor": 3}',
        '{"steps_at_floor": {"x": 3}}',
        '{"steps_at_floor": {"20": -1}}',
        '{"steps_at_floor": {"20": 21}}',
        '{"steps_at_floor": {"20": true}}',
        '{"steps_at_floor": {"20": NaN}}',
        "[" * 30_000,
        "\x00",
    ],
)
def test_a_damaged_file_gives_no_count(opened, tmp_path, text):
    (tmp_path / "monitor.json").write_text(text)
    assert opened(20).count is None


def test_a_file_that_cannot_be_read_is_an_error_with_a_cure(opened, tmp_path):
    os.mkfifo(tmp_path / "monitor.json")
    with pytest.raises(DataError) as error:
        opened(20)
    what = "cannot be read (not a file); remove it: "
    assert str(error.value).startswith(f"{tmp_path}/monitor.json: {what}")


def test_file_names_the_steps_of_the_checkpoints(opened):
    counted = opened(0)
    count(counted, *LOSSES)
    (text,) = counted.texts(4).values()
    assert json.loads(text) == {"steps_at_floor": {"4": 2}}

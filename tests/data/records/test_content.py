"""What the manifest of records says about their tasks and images."""

import json

import pytest

from mtl import tasks
from mtl.data.records import content
from mtl.errors import DataError
from mtl.inputs import NUMBERS, Inputs
from tests import record_sets

TASKS = (tasks.Task("kind", 3), tasks.Task("size", 1, "real", 170.5, 9.25))
OWN = content.Content(TASKS, Inputs((9, 8, 1), 0))


def write(tmp_path, **changes):
    """Write a manifest without splits."""
    manifest = {**record_sets.write(tmp_path), **content.to_json(OWN), **changes}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))


def test_tasks_scales_and_size_are_read_as_written(tmp_path):
    write(tmp_path)
    assert content.read(str(tmp_path), tasks.parse("kind:3,size:real")) == OWN
    # Some of the tasks, in any order.
    found = content.read(str(tmp_path), tasks.parse("size:real"))
    assert found == OWN._replace(tasks=TASKS[1:])


def test_records_without_tasks_have_numbers(tmp_path):
    record_sets.write(tmp_path)
    assert content.to_json(content.NUMBERS) == {}
    assert content.read(str(tmp_path)) == content.NUMBERS
    inputs = NUMBERS._replace(shape=(32, 32, 3))
    assert content.read(str(tmp_path), window=32).inputs == inputs


@pytest.mark.parametrize(
    "text, reason",
    [
        ("kinds:3", "no task 'kinds', found kind, size; did you mean kind? use the same --tasks"),
        ("kind:4", "the records have the task kind:3, not kind:4; use the same --tasks in mtl"),
        ("size:2", "the records have the task size:real, not size:2"),
        ("numbers", "the records have the tasks kind:3,size:real, not numbers; use the same"),
    ],
)
def test_other_tasks_are_named(tmp_path, text, reason):
    write(tmp_path)
    with pytest.raises(DataError) as caught:
        content.read(str(tmp_path), tasks.parse(text))
    assert str(caught.value).startswith(f"{tmp_path / 'manifest.json'}: {reason}")


def test_records_of_numbers_have_no_own_tasks(tmp_path):
    record_sets.write(tmp_path)
    with pytest.raises(DataError, match="the records have numbers, not the tasks kind:3; use"):
        content.read(str(tmp_path), tasks.parse("kind:3"))


@pytest.mark.parametrize(
    "changes",
    [
        {"tasks": 3},
        {"tasks": "kind"},
        {"scales": {}},
        {"scales": {"kind": [0, 1], "size": [1]}},
        {"scales": {"kind": [0, 1], "size": [1, 0]}},
        {"scales": {"kind": [0, 1], "size": ["1", 2]}},
        {"scales": None},
        {"shape": [9, 8]},
        {"shape": [9, 8, 2]},
        {"shape": [9.0, 8, 1]},
        {"shape": "981"},
        {"shape": None},
    ],
)
def test_damaged_manifest_is_one_line(tmp_path, changes):
    write(tmp_path, **changes)
    with pytest.raises(DataError, match=r"manifest.json: damaged \(.*\); repeat mtl convert$"):
        content.read(str(tmp_path), tasks.parse("kind:3"))

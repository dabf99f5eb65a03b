"""mtl.serving.export.record: mtl.json."""

import json

import pytest

from mtl import inputs, tasks
from mtl.serving import signatures
from mtl.serving.export import freeze, record
from tests import new_runs


def made(run, **settings):
    frozen = freeze.Frozen(run, 7, None, "inputs:0", {})
    settings = {"count": 4, "temperature": 0.5, "format": "saved_model"} | settings
    defined = signatures.of(run.tasks, run.inputs)
    return json.loads(record.text(frozen, signatures=defined, **settings))


def test_numbers_have_views_and_a_temperature():
    found = made(new_runs.NUMBERS, quantize="none", file="a.pb")
    assert (found["format"], found["step"], found["is_numbers"]) == ("saved_model", 7, True)
    assert (found["views"], found["temperature"], found["file"]) == (4, 0.5, "a.pb")
    assert tasks.parse(found["tasks"]) == tasks.NUMBER_TASKS
    assert inputs.from_json(found["inputs"]) == new_runs.NUMBERS.inputs


@pytest.mark.parametrize("run", [new_runs.IMAGES, new_runs.FEATURES])
def test_other_tasks_have_one_view_and_no_temperature(run):
    found = made(run)
    assert (found["is_numbers"], found["views"]) == (False, 1)
    assert "temperature" not in found
    assert tasks.text(tasks.parse(found["tasks"])) == tasks.text(run.tasks)
    assert inputs.from_json(found["inputs"]) == run.inputs


def test_signatures_are_listed_with_their_shapes():
    found = made(new_runs.NUMBERS)["signatures"]
    assert list(found) == ["serving_default", "pixels"]
    taken = found["pixels"]["input"]
    assert taken == {"name": "pixels", "type": "uint8", "shape": [-1, 24, 24, 3]}
    names = [each["name"] for each in found["serving_default"]["outputs"]]
    assert names == ["number", "confidence", "length", "digits"]

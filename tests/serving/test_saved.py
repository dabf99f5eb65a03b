"""mtl.serving.saved: an exported model in the server gives the outputs of its run."""

import json
import os
import shutil

import numpy as np
import pytest

from mtl import tasks
from mtl.errors import DataError
from mtl.serving import models, saved, signatures
from mtl.serving.export import write
from tests import new_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["NUMBERS", "FEATURES"])
def exported(request, frozen, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("exported"))
    network = frozen(request.param)
    settings = new_runs.settings(network.run)
    write.write(network, out, "saved_model", where="run", **settings)
    return network, out


def test_export_gives_the_outputs_of_its_run(exported, tmp_path):
    network, out = exported
    source = models.source(out)
    model = source.load(source.newest())
    assert model.version == 1 and model.inputs.shape == network.run.inputs.shape
    assert tasks.text(model.tasks) == tasks.text(network.run.tasks)
    run = models.source(new_runs.write(tmp_path, network.run))
    trained = run.load(run.newest())
    assert model.views == trained.views
    inputs = new_runs.values(network.run.inputs)
    found, expected = model.run(inputs), trained.run(inputs)
    assert (
        list(found)
        == list(expected)
        == [each.name for each in signatures.outputs_of(network.run.tasks)]
    )
    for name, rows in expected.items():
        if name == "number":
            assert found[name] == rows
        else:
            assert found[name].dtype == rows.dtype
            np.testing.assert_allclose(found[name], rows, rtol=1e-4, atol=1e-5, err_msg=name)
    assert len(model.lanes()) == 1
    model.close()
    trained.close()


def test_newest_is_the_highest_number_and_unfinished_exports_are_ignored(tmp_path):
    for name in ("2", "10", ".unfinished-11", "12.tmp", "\u0663"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mtl.json").write_text("{}")
    (tmp_path / "99").mkdir()  # without the record
    assert saved.versions(str(tmp_path)) == [2, 10]
    assert saved.newest(str(tmp_path)) == str(tmp_path / "10")
    assert saved.versions(str(tmp_path / "none")) == []
    with pytest.raises(DataError, match="mtl export --out="):
        saved.newest(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "tflite"}, "format tflite; serve one of --format=saved_model"),
        ({"tasks": "a:1:2:3"}, "export the run again"),
        ({"inputs": {"shape": [0]}}, "export the run again"),
        ({"views": None}, "export the run again"),
        ({"tasks": 5}, "export the run again"),
        ({"inputs": [5]}, "export the run again"),
        ({"views": float("inf")}, "export the run again"),
        ({"tasks": "other:2"}, "export the run again"),
    ],
)
def test_record_that_does_not_fit_is_an_error(exported, tmp_path, change, message):
    path = shutil.copytree(os.path.join(exported[1], "1"), tmp_path / "1")
    record = json.loads((path / "mtl.json").read_text())
    (path / "mtl.json").write_text(json.dumps({**record, **change}))
    with pytest.raises(DataError, match=message):
        saved.Exported(str(path))


def test_damaged_export_is_an_error(exported, tmp_path):
    path = shutil.copytree(os.path.join(exported[1], "1"), tmp_path / "1")
    (path / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(DataError, match="export the run again"):
        saved.Exported(str(path))
    (path / "mtl.json").write_text("{")
    with pytest.raises(DataError, match="export the run again"):
        saved.Exported(str(path))

"""mtl.serving.export.write: the files of a version, whichever its format."""

import json
import os

import pytest

from helpers import one_line
from mtl.errors import DataError
from mtl.serving import formats
from mtl.serving.export import write
from tests import new_runs

pytestmark = pytest.mark.slow


def test_a_version_has_the_model_and_its_record(frozen, tmp_path):
    network = frozen("IMAGES")
    written = write.write(network, str(tmp_path), "frozen", where="runs/mine")
    assert written.path == str(tmp_path / "1" / "model.pb")
    assert written.size == os.path.getsize(written.path) > 1000
    assert sorted(os.listdir(tmp_path / "1")) == ["model.pb", "mtl.json"]
    record = json.loads((tmp_path / "1" / "mtl.json").read_text())
    assert record["format"] == "frozen" and record["step"] == new_runs.STEP
    assert list(record["signatures"]) == list(written.signatures) == ["serving_default", "pixels"]


def test_the_record_names_neither_paths_nor_times(frozen, tmp_path):
    for folder in ("a", "b"):
        write.write(frozen("NUMBERS"), str(tmp_path / folder), "frozen", where="runs/mine")
    texts = [(tmp_path / folder / "1" / "mtl.json").read_text() for folder in "ab"]
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0] and "runs/mine" not in texts[0]


def test_a_failure_leaves_nothing(frozen, tmp_path, monkeypatch):
    def fails(exported, folder, options):
        with open(os.path.join(folder, "half"), "w", encoding="utf-8"):
            raise DataError("cannot")

    monkeypatch.setattr(formats.find("frozen"), "write", fails)
    with pytest.raises(DataError):
        write.write(frozen("IMAGES"), str(tmp_path / "out"), "frozen", where="runs/mine")
    assert os.listdir(tmp_path) == []


def test_a_network_that_calls_python_is_refused(frozen, tmp_path):
    network = frozen("FEATURES")
    graph_def = type(network.graph_def)()
    graph_def.CopyFrom(network.graph_def)
    relu = next(node for node in graph_def.node if node.op == "Relu")
    relu.op = "PyFuncStateless"
    relu.attr["Tin"].list.type.append(1)
    relu.attr["Tout"].list.type.append(1)
    relu.attr["token"].s = b"pyfunc_0"
    del relu.attr["T"]
    network = network._replace(graph_def=graph_def)
    with pytest.raises(DataError) as error:
        write.write(network, str(tmp_path / "out"), "saved_model", where="runs/mine")
    one_line(error, "runs/mine: its network has the operation PyFuncStateless")
    assert os.listdir(tmp_path) == []

"""mtl.serving.formats.onnx: the models in onnxruntime."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl.errors import UsageError
from mtl.serving.export import graph, write
from mtl.serving.formats import onnx
from tests import new_runs


def test_a_missing_package_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx" else found(name)
    )
    monkeypatch.setattr(onnx, "_PACKAGES", ("onnx",))
    with pytest.raises(UsageError) as error:
        onnx.check()
    one_line(error, "--format=onnx needs the package onnx", "pip install 'mtl[onnx]'")


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("tf2onnx")
    return pytest.importorskip("onnxruntime")


@pytest.mark.slow
@pytest.mark.parametrize("name", new_runs.RUNS)
def test_gives_the_outputs_of_the_graph(runtime, frozen, name, tmp_path):
    network = frozen(name)
    settings = new_runs.settings(network.run)
    written = write.write(network, str(tmp_path), "onnx", where=name, **settings)
    session = runtime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    (signature,) = written.signatures.values()
    (taken,) = session.get_inputs()
    assert (taken.name, taken.shape) == (signature.input.name, ["n", *signature.input.shape])
    names = [each.name for each in session.get_outputs()]
    assert set(names) == {each.name for each in signature.outputs}
    made = graph.build(network, text=False, **settings)
    for count in (1, 5):
        values = new_runs.values(network.run.inputs, count)
        found = dict(zip(names, session.run(names, {taken.name: values})))
        with tf.Graph().as_default() as built, tf.Session(graph=built) as other:
            tf.graph_util.import_graph_def(made.graph_def, name="")
            fetched = {each: f"{each}:0" for each in names}
            expected = other.run(fetched, {f"{taken.name}:0": values})
        for key, array in expected.items():
            np.testing.assert_allclose(found[key], array, rtol=1e-3, atol=1e-4, err_msg=key)


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes_in_any_process(runtime, frozen, tmp_path):
    run = new_runs.write(tmp_path / "run", new_runs.NUMBERS)
    for folder in "ab":
        command = [sys.executable, "-m", "mtl", "export", f"--model_dir={run}", "--format=onnx"]
        command.append(f"--out={tmp_path / folder}")
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    contents = [(tmp_path / folder / "1" / "model.onnx").read_bytes() for folder in "ab"]
    assert contents[0] == contents[1]

"""mtl.serving.formats.tflite: the models in ai-edge-litert."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl.errors import DataError
from mtl.serving import formats
from mtl.serving.export import graph, write
from tests import new_runs

interpreter = pytest.importorskip("ai_edge_litert.interpreter")
pytestmark = pytest.mark.slow


def model(frozen, name, out, quantize="none"):
    """Return the only signature of a converted network, as a function."""
    network = frozen(name)
    options = formats.Options(quantize, lambda: new_runs.values(network.run.inputs, 20))
    settings = new_runs.settings(network.run)
    written = write.write(network, str(out), "tflite", where=name, options=options, **settings)
    assert sorted(os.listdir(os.path.dirname(written.path))) == ["model.tflite", "mtl.json"]
    opened = interpreter.Interpreter(model_path=written.path)
    ((key, names),) = opened.get_signature_list().items()
    (signature,) = written.signatures.values()
    assert list(written.signatures) == [key]
    assert names["inputs"] == [signature.input.name]
    assert set(names["outputs"]) == {each.name for each in signature.outputs}
    runner = opened.get_signature_runner(key)
    for each in signature.outputs:
        assert runner.get_output_details()[each.name]["dtype"].__name__ == each.dtype
    return runner, signature.input.name


def expected(frozen, name, values):
    """Return the outputs of the same graph in TensorFlow."""
    network = frozen(name)
    made = graph.build(network, text=False, **new_runs.settings(network.run))
    (signature,) = made.signatures.values()
    with tf.Graph().as_default() as built, tf.Session(graph=built) as session:
        tf.graph_util.import_graph_def(made.graph_def, name="")
        wanted = {each.name: f"{each.name}:0" for each in signature.outputs}
        return session.run(wanted, {f"{signature.input.name}:0": values})


@pytest.mark.parametrize("name", ["NUMBERS", "FLOATS", "FEATURES"])
def test_float32_gives_the_outputs_of_the_graph(frozen, name, tmp_path):
    run, taken = model(frozen, name, tmp_path)
    for count in (1, 5):
        values = new_runs.values(frozen(name).run.inputs, count)
        found = run(**{taken: values})
        for key, array in expected(frozen, name, values).items():
            np.testing.assert_allclose(found[key], array, rtol=1e-3, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("quantize", ["float16", "dynamic", "int8"])
@pytest.mark.parametrize("name", ["NUMBERS", "FEATURES"])
def test_quantized_models_are_smaller_and_nearly_the_same(frozen, name, quantize, tmp_path):
    values = new_runs.values(frozen(name).run.inputs, 8)
    run, taken = model(frozen, name, tmp_path, quantize)
    record = json.loads((tmp_path / "1" / "mtl.json").read_text())
    assert record["quantize"] == quantize
    found, exact = run(**{taken: values}), expected(frozen, name, values)
    key = "length" if name == "NUMBERS" else "shade_probabilities"
    assert np.abs(found[key] - exact[key]).mean() < 0.05
    assert (tmp_path / "1" / "model.tflite").stat().st_size < 1.9e6


def test_the_message_of_the_converter_is_one_line(frozen, tmp_path, monkeypatch):
    class Fails:
        @classmethod
        def from_saved_model(cls, folder, signature_keys):
            return cls()

        def convert(self):
            raise RuntimeError("cannot legalize\nmore lines")

    monkeypatch.setattr(tf.compat.v2.lite, "TFLiteConverter", Fails)
    with pytest.raises(DataError) as error:
        model(frozen, "FEATURES", tmp_path / "out")
    one_line(error, "cannot convert this network (cannot legalize); use --format=saved_model")
    assert os.listdir(tmp_path) == []

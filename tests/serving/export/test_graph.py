"""mtl.serving.export.graph: the graph between inputs and outputs, against mtl predict."""

import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl import tasks
from mtl.inference import predictions
from mtl.serving import signatures
from mtl.serving.export import graph
from mtl.serving.signatures import DEFAULT, PIXELS
from tests import new_runs

pytestmark = pytest.mark.slow


class Session:
    """A frozen network as mtl.inference reads it."""

    def __init__(self, frozen):
        self.tasks, self.inputs = frozen.run.tasks, frozen.run.inputs
        with tf.Graph().as_default() as built:
            tf.graph_util.import_graph_def(frozen.graph_def, name="")
        self._call = tf.Session(graph=built).make_callable(frozen.outputs, [frozen.taken])

    def outputs(self, inputs):
        return self._call(inputs)


def predicted(frozen, values):
    """Return what mtl predict gives for inputs."""
    settings = new_runs.settings(frozen.run)
    return predictions.predictions(
        Session(frozen),
        range(len(values)),
        values,
        views=settings["count"],
        temperature=settings["temperature"],
    )


def exported(frozen, text=True):
    """Return the Exported of a frozen network, with the settings of its run."""
    return graph.build(frozen, text=text, **new_runs.settings(frozen.run))


def run(made, name, values):
    """Return the outputs of a signature, dict name -> array."""
    signature = made.signatures[name]
    with tf.Graph().as_default() as built, tf.Session(graph=built) as session:
        tf.graph_util.import_graph_def(made.graph_def, name="")
        taken = built.get_tensor_by_name(f"{signature.input.name}:0")
        outputs = {}
        for each in signature.outputs:
            outputs[each.name] = built.get_tensor_by_name(f"{each.name}:0")
            assert outputs[each.name].dtype.name == each.dtype
            assert outputs[each.name].shape.as_list() == [None, *each.shape], each.name
        assert taken.dtype.name == signature.input.dtype
        assert taken.shape.as_list() == [None, *signature.input.shape]
        return session.run(outputs, {taken: values})


def assert_same(found, expected):
    """Assert that outputs are the predictions of mtl predict."""
    for index, row in enumerate(expected):
        if "number" in row:
            number = found["number"][index].decode()
            assert (None if number == signatures.TOO_MANY else number) == row["number"]
            for key in ("confidence", "length", "digits"):
                np.testing.assert_allclose(found[key][index], row[key], atol=1e-5, err_msg=key)
            continue
        for task, prediction in row["tasks"].items():
            for key, value in prediction.items():
                np.testing.assert_allclose(
                    found[f"{task}_{key}"][index], value, rtol=1e-4, atol=1e-5, err_msg=task
                )


@pytest.mark.parametrize("name", new_runs.RUNS)
def test_outputs_are_those_of_predict_and_of_the_signatures(frozen, name):
    network = frozen(name)
    made = exported(network)
    assert made.signatures == signatures.of(network.run.tasks, network.run.inputs)
    values = new_runs.values(network.run.inputs)
    signature = PIXELS if network.run.inputs.is_images else DEFAULT
    assert_same(run(made, signature, values), predicted(network, values))


@pytest.mark.parametrize("name", ["NUMBERS", "IMAGES"])
def test_encoded_images_give_what_their_pixels_give(frozen, name):
    network = frozen(name)
    values, files = new_runs.values(network.run.inputs), []
    for image in values:
        file = io.BytesIO()
        Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(file, "PNG")
        files.append(file.getvalue())
    found = run(exported(network), DEFAULT, files)
    assert_same(found, predicted(network, values))


def test_without_text_a_number_is_classes(frozen):
    network = frozen("NUMBERS")
    made = exported(network, text=False)
    assert list(made.signatures) == [PIXELS]
    names = [each.name for each in made.signatures[PIXELS].outputs]
    assert names == ["classes", "confidence", "length", "digits"]
    values = new_runs.values(network.run.inputs)
    found = run(made, PIXELS, values)
    of_tasks = [task.name for task in tasks.NUMBER_TASKS]
    for row, expected in zip(found["classes"].tolist(), predicted(network, values)):
        assert tasks.decode(dict(zip(of_tasks, row))) == expected["number"]


def test_without_text_there_are_no_strings(frozen):
    for name in new_runs.RUNS:
        made = exported(frozen(name), text=False)
        types = {attr.type for node in made.graph_def.node for attr in node.attr.values()}
        assert tf.string.as_datatype_enum not in types, name
        assert not made.graph_def.library.function


def test_the_same_network_gives_the_same_bytes(frozen):
    found = [exported(frozen("NUMBERS")).graph_def for _ in range(2)]
    first, second = (each.SerializeToString(deterministic=True) for each in found)
    assert first == second

"""mtl.inference.graph: the variables of training, without dropout, compared with NumPy."""

import concurrent.futures

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import config, tasks, train
from mtl.inference import graph as inference_graph
from mtl.inputs import NUMBERS, Inputs

TASKS = [tasks.Task("one", 3), tasks.Task("two", 5)]
# Operations run in the caller's thread, as in Network.
OPTIONS = tf.ConfigProto(inter_op_parallelism_threads=-1)


def images_of(count, crop=NUMBERS.crop, channels=3):
    rng = np.random.default_rng(4)
    return rng.integers(0, 256, (count, crop, crop, channels), dtype=np.uint8)


def by_numpy(images, weights, names):
    """Return the log probabilities of the mlp, computed in float64."""
    pixels = images / 255.0
    x = (pixels - pixels.mean(axis=(1, 2, 3), keepdims=True)).reshape(len(images), -1)
    x = np.maximum(x @ np.float64(weights["shared/dense1/w"]) + weights["shared/dense1/b"], 0.0)
    outputs = {}
    for name in names:
        logits = x @ np.float64(weights[f"{name}/w"]) + weights[f"{name}/b"]
        outputs[name] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return outputs


def assert_close(found, expected):
    """Assert that two dicts of outputs agree within the rounding of float32."""
    assert list(found) == list(expected)
    for name in found:
        assert found[name].shape == expected[name].shape
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def training():
    """A training graph with much dropout after one step, finalized, and an inference graph in it.

    Yields the session, the train.Graph, its weights (dict name -> variable) and the Inference.
    """
    settings = config.Config(bottom="mlp", dropout=0.9, learning_rate=0.01, batch_size=5)
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(settings)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            inference = inference_graph.build(tasks=tasks.NUMBER_TASKS, bottom="mlp")
        session.run(tf.global_variables_initializer())
        feed = {graph.inputs: images_of(5)}
        for task in tasks.NUMBER_TASKS:
            feed[graph.labels[task.name]] = np.arange(5) % task.outputs
        session.run(graph.minimize, feed)
        weights = {variable.op.name: variable for variable in tf.trainable_variables()}
        tf.get_default_graph().finalize()
        yield session, graph, weights, inference


@pytest.mark.slow
def test_shares_the_variables_of_training(training):
    session, _, weights, inference = training
    assert len(weights) == 2 + 2 * 6
    operations = session.graph.get_operations()
    created = [each.name for each in operations if each.type == "VarHandleOp"]
    assert not [name for name in created if "inference" in name]
    images = images_of(4)
    found = session.run(inference.outputs, {inference.placeholder: images})
    names = [task.name for task in tasks.NUMBER_TASKS]
    assert_close(found, by_numpy(images, session.run(weights), names))


def test_binds_to_a_finalized_graph_and_has_no_dropout(training):
    session, _, _, inference = training
    bound = inference.bind(session)
    for count in (1, 6):
        log_probs = bound.outputs(images_of(count))
        for task in tasks.NUMBER_TASKS:
            rows = log_probs[task.name]
            assert rows.shape == (count, task.outputs) and rows.dtype == np.float32
            np.testing.assert_allclose(np.exp(np.float64(rows)).sum(axis=1), 1.0, rtol=1e-5)
    again = bound.outputs(images_of(6))
    for name in again:
        np.testing.assert_array_equal(again[name], log_probs[name])


def test_changes_no_variable(training):
    session, graph, weights, inference = training
    before = session.run([weights, graph.step])
    inference.bind(session).outputs(images_of(3))
    after = session.run([weights, graph.step])
    assert before[1] == after[1] == 1
    for name in weights:
        np.testing.assert_array_equal(before[0][name], after[0][name])


def test_alone_it_has_the_variables_of_a_checkpoint(training):
    _, _, weights, _ = training
    with tf.Graph().as_default(), tf.Session() as session:
        inference = inference_graph.build(tasks=tasks.NUMBER_TASKS, bottom="mlp")
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        assert {name: each.shape.as_list() for name, each in variables.items()} == {
            name: each.shape.as_list() for name, each in weights.items()
        }
        session.run(tf.global_variables_initializer())
        images = images_of(2)
        found = inference.bind(session).outputs(images)
        assert_close(found, by_numpy(images, session.run(variables), found))


# The base bottom adds the input of a layer to its output, see inference.graph.build.
@pytest.mark.parametrize("bottom", ["mlp", "base"])
def test_parts_that_run_at_once_give_the_outputs_of_one(bottom):
    with tf.Graph().as_default(), tf.Session(config=OPTIONS) as session:
        inputs = Inputs((16, 15, 3), crop=13)
        inference = inference_graph.build(tasks=TASKS, bottom=bottom, inputs=inputs, parts=3)
        names = [variable.op.name for variable in tf.global_variables()]
        session.run(tf.global_variables_initializer())
        bound = inference.bind(session)
        for count in (1, 2, 5, 7, 64):  # fewer parts, if they had fewer than two images each
            images = images_of(count, 13)
            expected = session.run(inference.outputs, {inference.placeholder: images})
            assert_close(bound.outputs(images), expected)
    assert len(names) == len(set(names)) and not any("_1" in name for name in names)


@pytest.mark.slow
def test_several_threads_may_call_at_once():
    with tf.Graph().as_default(), tf.Session(config=OPTIONS) as session:
        inference = inference_graph.build(tasks=TASKS, bottom="base", parts=2)
        session.run(tf.global_variables_initializer())
        bound = inference.bind(session)
        batches = [images_of(count) for count in (1, 7, 3, 8) * 4]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            outputs = list(pool.map(bound.outputs, batches))
        for found, images in zip(outputs, batches):
            for name, rows in bound.outputs(images).items():
                np.testing.assert_array_equal(found[name], rows)


def same_variable(getter, name, **settings):
    return getter(name, **settings)


@pytest.mark.parametrize("small", [None, same_variable])
def test_lanes_that_run_at_once_give_the_outputs_of_the_network(small):
    with tf.Graph().as_default(), tf.Session(config=OPTIONS) as session:
        settings = {"tasks": TASKS, "inputs": Inputs((16, 15, 3), crop=13), "bottom": "mlp"}
        inference = inference_graph.build(parts=2, small=small, **settings)
        session.run(tf.global_variables_initializer())
        bound = inference.bind(session)
        lanes = bound.lanes()
        assert len(lanes) == 2 and all(lane.inputs == bound.inputs for lane in lanes)
        batches = [images_of(count, 13) for count in (1, 2, 9, 33)] * 3
        expected = [bound.outputs(images) for images in batches]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            running = [
                pool.submit(lambda lane: list(map(lane.outputs, batches)), lane) for lane in lanes
            ]
        for lane in running:
            for found, each in zip(lane.result(), expected):
                assert_close(found, each)
        with pytest.raises(ValueError):
            lanes[0].outputs(np.zeros((1, 13, 13, 3), np.float32))


# -- any tasks and inputs --------------------------------------------------------------------------

GREY = Inputs((11, 13, 1), crop=9)
MIXED = (
    tasks.Task("one", 3),
    tasks.Task("height", 1, "real", mean=170.0, std=8.0),
    tasks.Task("two", 5),
)


def weights_of(session):
    """Return the values of all variables, dict name -> array."""
    return session.run({each.op.name: each for each in tf.global_variables()})


def test_float_images_give_classes_and_values_in_their_own_unit():
    inputs = Inputs((11, 13, 1), crop=0, dtype="float32")
    images = np.random.default_rng(4).random((5, 11, 13, 1), np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        built = inference_graph.build(tasks=MIXED, bottom="mlp", inputs=inputs, parts=2)
        session.run(tf.global_variables_initializer())
        bound = built.bind(session)
        assert (bound.tasks, bound.inputs) == (MIXED, inputs)
        found, weights = bound.outputs(images), weights_of(session)
    expected = by_numpy(255.0 * images, weights, ["one", "height", "two"])
    x = (images - images.mean(axis=(1, 2, 3), keepdims=True)).reshape(5, -1)
    x = np.maximum(x @ weights["shared/dense1/w"] + weights["shared/dense1/b"], 0.0)
    expected["height"] = 170.0 + 8.0 * (x @ weights["height/w"] + weights["height/b"])
    assert_close(found, expected)


def test_features_are_standardised_and_hidden_layers_are_built():
    inputs = Inputs((3,), 0, "float32", ("a", "b", "c"), (1.0, -20.0, 0.0), (0.5, 10.0, 2.0))
    rows = np.float32([[1.5, -10.0, 7.0], [0.0, 3.0, -2.0]])
    with tf.Graph().as_default(), tf.Session() as session:
        built = inference_graph.build(tasks=TASKS, bottom="mlp", inputs=inputs, top_units=(7, 5))
        session.run(tf.global_variables_initializer())
        found, weights = built.bind(session).outputs(rows), weights_of(session)
    x = (rows - np.array(inputs.mean)) / inputs.std
    x = np.maximum(x @ weights["shared/dense1/w"] + weights["shared/dense1/b"], 0.0)
    for layer in ("two/dense1", "two/dense2"):
        x = np.maximum(x @ weights[f"{layer}/w"] + weights[f"{layer}/b"], 0.0)
    assert x.shape == (2, 5)
    logits = x @ weights["two/w"] + weights["two/b"]
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found["two"], expected, rtol=1e-4, atol=1e-5)


def test_brightness_is_kept_on_request():
    dark, bright = np.full((2, 9, 9, 1), 10, np.uint8), np.full((2, 9, 9, 1), 90, np.uint8)
    for brightness, equal in (("ignore", True), ("keep", False)):
        with tf.Graph().as_default(), tf.Session() as session:
            settings = {"tasks": TASKS, "bottom": "mlp", "inputs": GREY}
            built = inference_graph.build(brightness=brightness, **settings)
            session.run(tf.global_variables_initializer())
            bound = built.bind(session)
            found, other = bound.outputs(dark)["one"], bound.outputs(bright)["one"]
            assert np.allclose(found, other, atol=1e-6) == equal


@pytest.mark.parametrize(
    "images, reason",
    [
        (images_of(5, 9, 1) / 255.0, "float64 [5, 9, 9, 1]; convert floats in 0..1"),
        (images_of(5, 9, 1)[0], "uint8 [9, 9, 1]; pass one image as values[None]"),
        (images_of(5, 11, 1), "uint8 [5, 11, 11, 1]; resize them"),
        (images_of(5, 9, 1).tolist(), "list; pass a NumPy array"),
        (None, "NoneType; pass a NumPy array"),
    ],
)
@pytest.mark.parametrize("parts", [1, 2])
def test_rejects_images_of_another_type_or_shape(images, reason, parts):
    with tf.Graph().as_default(), tf.Session() as session:
        built = inference_graph.build(tasks=TASKS, bottom="mlp", parts=parts, inputs=GREY)
        session.run(tf.global_variables_initializer())
        bound = built.bind(session)
        with pytest.raises(ValueError) as caught:
            bound.outputs(images)
        wanted = "inputs must be uint8 [n, 9, 9, 1] with values 0 to 255"
        assert str(caught.value).startswith(f"{wanted}, got {reason}")
        assert bound.outputs(images_of(0, 9, 1))["one"].shape == (0, 3)


def test_rejects_an_unknown_bottom_by_name():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="huge"):
        inference_graph.build(tasks=TASKS, bottom="huge", inputs=GREY)

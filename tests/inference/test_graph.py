"""mtl.inference.graph: the variables of training, without dropout, compared with NumPy."""

import concurrent.futures

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import config, tasks, train
from mtl.inference import graph as inference_graph

TASKS = [tasks.Task("one", 3), tasks.Task("two", 5)]
# Operations run in the caller's thread, as in Network.
OPTIONS = tf.ConfigProto(inter_op_parallelism_threads=-1)


def images_of(count, crop=config.CROP, channels=3):
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
        feed = {graph.images: images_of(5)}
        for task in tasks.NUMBER_TASKS:
            feed[graph.labels[task.name]] = np.arange(5) % task.classes
        session.run(graph.minimize, feed)
        weights = {variable.op.name: variable for variable in tf.trainable_variables()}
        tf.get_default_graph().finalize()
        yield session, graph, weights, inference


def test_shares_the_variables_of_training(training):
    session, _, weights, inference = training
    assert len(weights) == 2 + 2 * 6
    operations = session.graph.get_operations()
    created = [each.name for each in operations if each.type == "VarHandleOp"]
    assert not [name for name in created if "inference" in name]
    images = images_of(4)
    found = session.run(inference.log_probs, {inference.images: images})
    names = [task.name for task in tasks.NUMBER_TASKS]
    assert_close(found, by_numpy(images, session.run(weights), names))


def test_binds_to_a_finalized_graph_and_has_no_dropout(training):
    session, _, _, inference = training
    bound = inference.bind(session)
    for count in (1, 6):
        log_probs = bound.log_probs(images_of(count))
        for task in tasks.NUMBER_TASKS:
            rows = log_probs[task.name]
            assert rows.shape == (count, task.classes) and rows.dtype == np.float32
            np.testing.assert_allclose(np.exp(np.float64(rows)).sum(axis=1), 1.0, rtol=1e-5)
    again = bound.log_probs(images_of(6))
    for name in again:
        np.testing.assert_array_equal(again[name], log_probs[name])


def test_changes_no_variable(training):
    session, graph, weights, inference = training
    before = session.run([weights, graph.step])
    inference.bind(session).log_probs(images_of(3))
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
        found = inference.bind(session).log_probs(images)
        assert_close(found, by_numpy(images, session.run(variables), found))


# The base bottom adds the input of a layer to its output, see inference.graph.build.
@pytest.mark.parametrize("bottom", ["mlp", "base"])
def test_parts_that_run_at_once_give_the_outputs_of_one(bottom):
    with tf.Graph().as_default(), tf.Session(config=OPTIONS) as session:
        inference = inference_graph.build(tasks=TASKS, bottom=bottom, crop=13, parts=3)
        names = [variable.op.name for variable in tf.global_variables()]
        session.run(tf.global_variables_initializer())
        bound = inference.bind(session)
        for count in (1, 2, 5, 7, 64):  # fewer parts, if they had fewer than two images each
            images = images_of(count, 13)
            expected = session.run(inference.log_probs, {inference.images: images})
            assert_close(bound.log_probs(images), expected)
    assert len(names) == len(set(names)) and not any("_1" in name for name in names)


def test_several_threads_may_call_at_once():
    with tf.Graph().as_default(), tf.Session(config=OPTIONS) as session:
        inference = inference_graph.build(tasks=TASKS, bottom="base", parts=2)
        session.run(tf.global_variables_initializer())
        bound = inference.bind(session)
        batches = [images_of(count) for count in (1, 7, 3, 8) * 4]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            outputs = list(pool.map(bound.log_probs, batches))
        for found, images in zip(outputs, batches):
            for name, rows in bound.log_probs(images).items():
                np.testing.assert_array_equal(found[name], rows)


def test_other_sizes_and_tasks():
    with tf.Graph().as_default(), tf.Session() as session:
        inference = inference_graph.build(tasks=TASKS, bottom="mlp", crop=9, channels=2)
        session.run(tf.global_variables_initializer())
        found = inference.bind(session).log_probs(images_of(3, 9, 2))
        assert {name: rows.shape for name, rows in found.items()} == {"one": (3, 3), "two": (3, 5)}


@pytest.mark.parametrize(
    "images, reason",
    [
        (images_of(5, 9, 2) / 255.0, "float64 [5, 9, 9, 2]; convert floats in 0..1"),
        (images_of(5, 9, 2)[0], "uint8 [9, 9, 2]; pass one image as images[None]"),
        (images_of(5, 11, 2), "uint8 [5, 11, 11, 2]; resize them"),
        (images_of(5, 9, 3), "uint8 [5, 9, 9, 3]; resize them"),
        (images_of(5, 9, 2).tolist(), "list; pass a NumPy array"),
        (None, "NoneType; pass a NumPy array"),
    ],
)
@pytest.mark.parametrize("parts", [1, 2])
def test_rejects_images_of_another_type_or_shape(images, reason, parts):
    with tf.Graph().as_default(), tf.Session() as session:
        inference = inference_graph.build(
            tasks=TASKS, bottom="mlp", parts=parts, crop=9, channels=2
        )
        session.run(tf.global_variables_initializer())
        bound = inference.bind(session)
        with pytest.raises(ValueError) as caught:
            bound.log_probs(images)
        wanted = "images must be uint8 [n, 9, 9, 2] with values 0 to 255"
        assert str(caught.value).startswith(f"{wanted}, got {reason}")
        assert bound.log_probs(images_of(0, 9, 2))["one"].shape == (0, 3)


def test_rejects_an_unknown_bottom_by_name():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="huge"):
        inference_graph.build(tasks=TASKS, bottom="huge", crop=5)

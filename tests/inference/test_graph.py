"""mtl.inference: the training network's own variables, read without dropout; held against NumPy."""

import concurrent.futures
import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import config, losses, tasks, train
from mtl.inference import graph as inference_graph

TASKS = [tasks.Task("one", 3), tasks.Task("two", 5)]
MEANS = {"length": 0.5, "digit1": 2.0, "digit2": 0.0, "digit3": 1e-3, "digit4": 1.0, "digit5": 7.5}


def pictures(n, crop=config.CROP, channels=3):
    return np.random.default_rng(4).integers(0, 256, (n, crop, crop, channels), dtype=np.uint8)


def by_numpy(images, weights, names):
    """The mlp in float64."""
    pixels = images / 255.0
    x = (pixels - pixels.mean(axis=(1, 2, 3), keepdims=True)).reshape(len(images), -1)
    x = np.maximum(x @ np.float64(weights["shared/dense1/w"]) + weights["shared/dense1/b"], 0.0)
    logits = {name: x @ np.float64(weights[f"{name}/w"]) + weights[f"{name}/b"] for name in names}
    return {
        name: rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
        for name, rows in logits.items()
    }


@pytest.fixture(scope="module")
def training():
    """A training graph with much dropout after one step: its session, Graph, trained weights, and the Inference that shares them."""
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(
            config.Config(bottom="mlp", dropout=0.9, learning_rate=0.01, batch_size=5)
        )
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            reading = inference_graph.build(
                tasks=tasks.NUMBER_TASKS, bottom="mlp", objective="log_sum"
            )
        session.run(tf.global_variables_initializer())
        labels = {task.name: np.arange(5) % task.classes for task in tasks.NUMBER_TASKS}
        session.run(
            graph.minimize,
            {
                graph.images: pictures(5),
                **{graph.labels[name]: rows for name, rows in labels.items()},
            },
        )
        weights = {variable.op.name: variable for variable in tf.trainable_variables()}
        tf.get_default_graph().finalize()
        yield session, graph, weights, reading


def test_it_reads_with_the_variables_of_the_training_network(training):
    session, graph, weights, reading = training
    assert len(weights) == 2 + 2 * 6
    made = {
        operation.name
        for operation in session.graph.get_operations()
        if operation.type == "VarHandleOp"
    }
    assert {name for name in made if "inference" in name} == set()
    images = pictures(4)
    found = session.run(reading.log_probs, {reading.images: images})
    expected = by_numpy(images, session.run(weights), found)
    assert list(found) == [task.name for task in tasks.NUMBER_TASKS]
    for task in tasks.NUMBER_TASKS:
        assert found[task.name].shape == (4, task.classes)
        np.testing.assert_allclose(
            found[task.name], expected[task.name], rtol=1e-4, atol=1e-5, err_msg=task.name
        )


def test_bound_to_a_finalized_graph_it_is_two_functions_of_numpy(training):
    session, _, _, reading = training
    bound = reading.bind(session)
    for n in (1, 6):
        log_probs = bound.log_probs(pictures(n))
        for task in tasks.NUMBER_TASKS:
            rows = log_probs[task.name]
            assert rows.shape == (n, task.classes) and rows.dtype == np.float32
            np.testing.assert_allclose(np.exp(np.float64(rows)).sum(axis=1), 1.0, rtol=1e-5)
    again = bound.log_probs(pictures(6))
    for name in again:
        np.testing.assert_array_equal(
            again[name], log_probs[name], err_msg="no dropout: the same each time"
        )


def test_reading_changes_no_variable(training):
    session, graph, weights, reading = training
    before = session.run([weights, graph.step])
    bound = reading.bind(session)
    bound.log_probs(pictures(3))
    bound.cost_of_means(MEANS)
    after = session.run([weights, graph.step])
    assert before[1] == after[1] == 1
    for name in weights:
        np.testing.assert_array_equal(before[0][name], after[0][name])


COSTS = {
    "log_sum": lambda means: sum(math.log(np.clip(mean, 1e-37, 1e37)) for mean in means),
    "linear": sum,
}


def test_there_is_a_formula_for_every_objective():
    assert (
        set(COSTS)
        == set(losses.OBJECTIVES_OF_MEANS)
        == set(losses.OBJECTIVES)
        == set(config.OBJECTIVES)
    )


@pytest.mark.parametrize("objective", COSTS)
def test_the_cost_of_means_is_the_objectives_formula(objective):
    with tf.Graph().as_default(), tf.Session() as session:
        built = inference_graph.build(
            tasks=tasks.NUMBER_TASKS, bottom="mlp", objective=objective, crop=5
        )
        cost = built.bind(session).cost_of_means  # no variable was initialised: it depends on none
        found = cost(MEANS)
        assert type(found) is float
        assert found == pytest.approx(COSTS[objective](MEANS.values()), rel=1e-6)
        large = dict.fromkeys(MEANS, 3.0)
        assert cost(large) == pytest.approx(COSTS[objective](large.values()), rel=1e-6)
        assert cost(dict(reversed(MEANS.items()))) == found, "tasks are told apart by name"


@pytest.mark.parametrize("objective", COSTS)
def test_a_task_of_no_example_adds_nothing_to_the_cost(objective):
    with tf.Graph().as_default(), tf.Session() as session:
        cost = (
            inference_graph.build(
                tasks=tasks.NUMBER_TASKS, bottom="mlp", objective=objective, crop=5
            )
            .bind(session)
            .cost_of_means
        )
        found = cost({**MEANS, "digit4": math.nan, "digit1": math.nan})
    assert found == pytest.approx(
        COSTS[objective](MEANS[name] for name in MEANS if name not in ("digit4", "digit1")),
        rel=1e-6,
    )


def test_each_mean_counts_once():
    with tf.Graph().as_default(), tf.Session() as session:
        cost = (
            inference_graph.build(tasks=TASKS, bottom="mlp", objective="linear", crop=5)
            .bind(session)
            .cost_of_means
        )
        assert cost({"two": 100.0, "one": 1.0}) == 101.0
        with pytest.raises(KeyError):
            cost({"one": 1.0})


def test_alone_it_makes_the_variables_a_checkpoint_of_training_holds(training):
    _, _, weights, _ = training
    with tf.Graph().as_default(), tf.Session() as session:
        built = inference_graph.build(tasks=tasks.NUMBER_TASKS, bottom="mlp", objective="linear")
        variables = tf.global_variables()
        assert {v.op.name: v.shape.as_list() for v in variables} == {
            name: v.shape.as_list() for name, v in weights.items()
        }
        session.run(tf.global_variables_initializer())
        images = pictures(2)
        found = built.bind(session).log_probs(images)
        expected = by_numpy(images, session.run({v.op.name: v for v in variables}), found)
        for name in found:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "bottom", ["mlp", "base"]
)  # base adds what a layer was given to what it makes: see inference_graph.build
def test_parts_read_at_the_same_time_read_what_one_reads(bottom):
    with (
        tf.Graph().as_default(),
        tf.Session(config=tf.ConfigProto(inter_op_parallelism_threads=-1)) as session,
    ):
        built = inference_graph.build(
            tasks=TASKS, bottom=bottom, objective="log_sum", crop=13, parts=3
        )
        names = [variable.op.name for variable in tf.global_variables()]
        session.run(tf.global_variables_initializer())
        bound = built.bind(session)
        alone = session.make_callable(built.log_probs, feed_list=[built.images])
        for n in (1, 2, 5, 7, 64):  # of fewer than two pictures a part, fewer parts
            images = pictures(n, 13)
            found, expected = bound.log_probs(images), alone(images)
            assert list(found) == list(expected) == ["one", "two"]
            for name in found:
                assert found[name].shape == expected[name].shape
                np.testing.assert_allclose(
                    found[name],
                    expected[name],
                    rtol=1e-4,
                    atol=1e-5,
                    err_msg=f"{n} pictures, {name}",
                )
    assert len(names) == len(set(names)) and not any("_1" in name for name in names)


def test_several_threads_may_read_at_once():
    with (
        tf.Graph().as_default(),
        tf.Session(config=tf.ConfigProto(inter_op_parallelism_threads=-1)) as session,
    ):
        built = inference_graph.build(tasks=TASKS, bottom="base", objective="log_sum", parts=2)
        session.run(tf.global_variables_initializer())
        read = built.bind(session).log_probs
        batches = [pictures(n) for n in (1, 7, 3, 8) * 4]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            together = list(pool.map(read, batches))
        for found, images in zip(together, batches):
            for name, rows in read(images).items():
                np.testing.assert_array_equal(found[name], rows)


def test_other_sizes_and_tasks():
    with tf.Graph().as_default(), tf.Session() as session:
        built = inference_graph.build(
            tasks=TASKS, bottom="mlp", objective="log_sum", crop=9, channels=2
        )
        session.run(tf.global_variables_initializer())
        found = built.bind(session).log_probs(pictures(3, 9, 2))
        assert {name: rows.shape for name, rows in found.items()} == {"one": (3, 3), "two": (3, 5)}


@pytest.mark.parametrize(
    "images, got",
    [
        (pictures(5, 9, 2) / 255.0, "float64 [5, 9, 9, 2]; convert floats in 0..1"),
        (pictures(5, 9, 2)[0], "uint8 [9, 9, 2]; pass one image as images[None]"),
        (pictures(5, 11, 2), "uint8 [5, 11, 11, 2]; resize them"),
        (pictures(5, 9, 3), "uint8 [5, 9, 9, 3]; resize them"),
        (pictures(5, 9, 2).tolist(), "list; pass a NumPy array"),
        (None, "NoneType; pass a NumPy array"),
    ],
)
@pytest.mark.parametrize("parts", [1, 2])
def test_images_of_another_type_or_shape_are_refused(images, got, parts):
    with tf.Graph().as_default(), tf.Session() as session:
        like = {"tasks": TASKS, "bottom": "mlp", "objective": "log_sum", "parts": parts}
        built = inference_graph.build(**like, crop=9, channels=2)
        session.run(tf.global_variables_initializer())
        bound = built.bind(session)
        with pytest.raises(ValueError) as caught:
            bound.log_probs(images)
        wanted = "images must be uint8 [n, 9, 9, 2] with values 0 to 255"
        assert str(caught.value).startswith(f"{wanted}, got {got}")
        assert bound.log_probs(pictures(0, 9, 2))["one"].shape == (0, 3)


@pytest.mark.parametrize("wrong", [{"objective": "product"}, {"bottom": "huge"}])
def test_unknown_names_are_refused_by_name(wrong):
    arguments = {"tasks": TASKS, "bottom": "mlp", "objective": "linear", "crop": 5, **wrong}
    with (
        tf.Graph().as_default(),
        pytest.raises((KeyError, ValueError), match=next(iter(wrong.values()))),
    ):
        inference_graph.build(**arguments)

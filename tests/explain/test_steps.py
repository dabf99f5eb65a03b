"""The values of the steps equal those of a session that trains the same graph."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import sessions, tasks, train
from mtl.config import Config
from mtl.data.batches import centre_crop
from mtl.data.examples import Examples, of_numbers
from mtl.explain import diagram, lines, steps
from mtl.inference import decoding, graph as inference_graph
from mtl.inputs import NUMBERS, Inputs
from mtl.runs import find

pytestmark = pytest.mark.slow

BATCH = 13


def source(first_step):
    """Yield batches of random images with random labels, without end."""
    step = first_step
    while True:
        rng = np.random.default_rng(step)
        lengths = rng.integers(0, 7, size=BATCH)
        numbers = ["".join(map(str, rng.integers(10, size=length))) for length in lengths]
        images = rng.integers(0, 256, (BATCH, *NUMBERS.network_shape)).astype(np.uint8)
        yield images, tasks.encode_all(numbers)
        step += 1


def walked(config, count, start=None, unseen=None):
    """Return the diagram of a Config and a list of its first steps."""
    explained = lines.explain(config)
    found = diagram.of(explained)
    return found, list(steps.walk(explained, found, source, count, start, unseen))


def windows(count):
    """Return random images, uint8 [count, 64, 64, 3]."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (count, *NUMBERS.shape)).astype(np.uint8)


def feeds(graph, images, labels):
    """Return the feeds of a batch."""
    return {graph.inputs: images, **{graph.labels[name]: labels[name] for name in labels}}


def test_values_equal_those_of_a_training_without_measurements():
    config = Config(bottom="mlp", label_smoothing=0.0)
    _, walk = walked(config, 4, unseen=of_numbers(windows(3), ["1", "23", ""], list("abc")))
    names = list(walk[0]["values"])
    plain_config = Config(bottom="mlp", label_smoothing=0.0, objective="answer", threads=1)
    with tf.Graph().as_default(), tf.Session(config=sessions.session_config(0, 1)) as session:
        plain = train.build(plain_config)
        session.run(tf.global_variables_initializer())
        fetches = [[f"{name}:0" for name in names], plain.network.logits, plain.minimize]
        for step, (images, labels) in zip(walk, source(0)):
            values, logits, _ = session.run(fetches, feeds(plain, images, labels))
            assert step["values"] == dict(zip(names, map(float, values)))
            assert (step["image"] == images[0]).all()
            for name, own in step["tasks"].items():
                softmax = helpers.softmax(logits[name][0]).tolist()
                assert own["logits"] == logits[name][0].tolist()
                assert own["softmax"] == pytest.approx(softmax, abs=1e-6)
                assert own["label"] == labels[name][0]


def test_costs_equal_those_of_a_training_with_log_sum():
    """The answer's own lines compute what a run with log_sum computes."""
    found, walk = walked(Config(bottom="mlp"), 4)
    with tf.Graph().as_default(), tf.Session(config=sessions.session_config(0, 1)) as session:
        plain = train.build(Config(bottom="mlp", threads=1))
        session.run(tf.global_variables_initializer())
        for step, (images, labels) in zip(walk, source(0)):
            cost, _ = session.run([plain.cost, plain.minimize], feeds(plain, images, labels))
            assert step["values"][found.adds[-1]] == cost


def test_the_adds_sum_up_the_logs_of_the_means():
    found, walk = walked(Config(bottom="mlp"), 3)
    for step in walk:
        values, total = step["values"], np.float32(0)
        for index, task in enumerate(found.tasks):
            mean = values[step["tasks"][task.name]["mean"]]
            term = values[task.loss[-1]]
            assert term == pytest.approx(math.log(mean), abs=1e-6)
            total = np.float32(total + np.float32(term))
            if index:
                assert values[found.adds[index - 1]] == total


@pytest.mark.parametrize(
    "objective, absent", [("log_sum", "x"), ("linear", "x"), ("log_sum", "mask")]
)
def test_weights_and_gradient_norms_equal_their_formulas(objective, absent):
    config = Config(bottom="mlp", objective=objective, absent=absent)
    _, (step,) = walked(config, 1)
    images, labels = next(source(0))
    with tf.Graph().as_default(), tf.Session() as session:
        plain = train.build(config)
        session.run(tf.global_variables_initializer())
        weights = {name: top[-1].variables[0] for name, top in plain.network.tops.items()}
        logits, weights = session.run([plain.network.logits, weights], feeds(plain, images, labels))
    for name, own in step["tasks"].items():
        weight = 1 / step["values"][own["mean"]] if objective == "log_sum" else 1.0
        assert own["weight"] == pytest.approx(weight, rel=1e-5)
        masked = absent == "mask" and name != "length"
        soft = soft_labels(labels[name], logits[name].shape[1], masked)
        labelled = soft.sum(axis=1, keepdims=True) > 0
        gradient = (helpers.softmax(logits[name]) - soft) * labelled / labelled.sum()
        norm = np.linalg.norm(weight * gradient @ weights[name].T)
        assert own["gradient_norm"] == pytest.approx(norm, rel=1e-4)


def soft_labels(classes, depth, masked):
    """Return the soft labels of classes; the last class has a row of zeros where masked."""
    known = depth - 1 if masked else depth
    rows = np.eye(known) * 0.9 + 0.1 / known
    if masked:
        rows = np.pad(rows, [(0, 1), (0, 1)])
    return rows[classes]


def test_true_and_predicted_are_the_number_of_the_first_example():
    _, walk = walked(Config(bottom="mlp"), 5)
    for step, (_, labels) in zip(walk, source(0)):
        first = {name: int(classes[0]) for name, classes in labels.items()}
        assert step["true"] == tasks.decode(first)
        assert step["predicted"] in (None, "") or step["predicted"].isdigit()


def test_unseen_images_are_decoded_with_the_weights_before_each_update():
    """Each step has its own predictions, so only its own step finds all of them correct."""
    config = Config(bottom="mlp", dropout=0.3, learning_rate=0.05, warmup_steps=0)
    images = windows(11)
    for at, numbers in enumerate(predictions_of_a_training(config, images, 3)):
        texts = ["987654" if number is None else number for number in numbers]
        _, walk = walked(config, 3, unseen=of_numbers(images, texts, texts))
        correct = [step["unseen"]["correct"] for step in walk]
        assert all(step["unseen"]["of"] == 11 for step in walk)
        assert [count == 11 for count in correct] == [step == at for step in range(3)]


def predictions_of_a_training(config, images, count):
    """Return the decoded numbers of images before each of the first steps of a training."""
    plain_config = dataclasses.replace(config, objective="answer", threads=1)
    decoded = []
    with tf.Graph().as_default(), tf.Session(config=sessions.session_config(0, 1)) as session:
        plain = train.build(plain_config)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            built = inference_graph.build(tasks=tasks.NUMBER_TASKS, bottom="mlp")
        session.run(tf.global_variables_initializer())
        for _, (batch, labels) in zip(range(count), source(0)):
            log_probs = session.run(built.outputs, {built.placeholder: centre_crop(images)})
            decoded.append(decoding.joint(log_probs)[0])
            session.run(plain.minimize, feeds(plain, batch, labels))
    return decoded


def test_steps_without_unseen_images_have_no_accuracy():
    _, (step,) = walked(Config(bottom="mlp"), 1)
    assert step["unseen"] is None


def test_a_start_gives_the_weights_of_a_checkpoint():
    config = Config(bottom="base")
    _, (fresh,) = walked(config, 1)
    _, (started,) = walked(config, 1, find.checkpoint("pretrained"))
    assert started["tasks"]["length"]["logits"] != fresh["tasks"]["length"]["logits"]


@pytest.mark.parametrize("value", [0.1, 1e-37, 3.4e38, -85.195, 2.5e8, 0.0, 1 / 3])
def test_shortest_keeps_the_float32(value):
    value = float(np.float32(value))
    short = steps.shortest(value)
    assert np.float32(short) == np.float32(value)
    assert len(repr(short)) <= len(repr(value))


@pytest.mark.parametrize("text", ["inf", "-inf", "nan"])
def test_shortest_writes_a_value_that_is_not_finite_as_text(text):
    assert steps.shortest(float(text)) == text


# -- your own tasks --------------------------------------------------------------------------------


def own_source(shape):
    """Return a source of random examples of the tasks digit, height and odd; some have no label."""

    def source(first_step):
        step = first_step
        while True:
            rng = np.random.default_rng(step)
            height = rng.normal(size=BATCH).astype(np.float32)
            height[::2] = np.nan
            labels = {"height": height, "odd": rng.integers(-1, 2, BATCH).astype(np.int32)}
            yield rng.integers(0, 256, (BATCH, *shape)).astype(np.uint8), labels
            step += 1

    return source


def test_own_tasks_have_labels_predictions_and_a_score():
    inputs = Inputs((10, 12, 1), 0)
    config = Config(tasks="height:real,odd:2", dataset="npz", bottom="mlp", top_units="5")
    explained = lines.explain(config, inputs=inputs)
    examples, labels = next(own_source(inputs.shape)(3))
    unseen = Examples(examples, labels, list("abcdefghijklm"))
    found = diagram.of(explained)
    walk = list(steps.walk(explained, found, own_source(inputs.shape), 3, None, unseen))
    for step, (batch, labels) in zip(walk, own_source(inputs.shape)(0)):
        assert "true" not in step and (step["image"] == batch[0]).all()
        height, odd = step["tasks"]["height"], step["tasks"]["odd"]
        assert (height["label"], height["written"], height["softmax"]) == (None, "", None)
        assert float(height["predicted"]) == pytest.approx(height["logits"][0], rel=1e-5)
        label = int(labels["odd"][0])
        assert odd["label"] == (None if label < 0 else label)
        assert odd["softmax"] == pytest.approx(helpers.softmax(np.array(odd["logits"])), abs=1e-6)
        assert odd["predicted"] == str(np.argmax(odd["logits"]))
        known = labels["odd"] >= 0
        mean = step["values"][odd["mean"]]
        assert known.any() and odd["weight"] == pytest.approx(1 / mean, rel=1e-5)
        assert step["unseen"]["of"] == BATCH and step["unseen"]["score"] < 1
    assert len({step["unseen"]["score"] for step in walk}) > 1


def test_feature_vectors_have_no_image():
    inputs = Inputs((4,), 0, "float32")
    config = Config(tasks="odd:2", dataset="npz", bottom="mlp")
    explained = lines.explain(config, inputs=inputs)

    def source(first_step):
        yield np.ones((2, 4), np.float32), {"odd": np.int32([1, 0])}

    (step,) = steps.walk(explained, diagram.of(explained), source, 1)
    assert step["image"] is None and step["unseen"] is None

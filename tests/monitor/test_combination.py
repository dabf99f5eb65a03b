"""mtl.monitor.combination: weights, and gradients at the shared bottom."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import graph
from mtl.config import Config
from mtl.data.examples import Examples
from mtl.inputs import Inputs
from mtl.monitor import combination
from mtl.run_files import Run
from mtl.tasks import parse

BATCH = 4
SETTINGS = {
    "tasks": "a:3,b:real",
    "dataset": "npz",
    "data_dir": "data",
    "bottom": "mlp",
    "batch_size": BATCH,
    "warmup_steps": 0,
}
FEATURES = Inputs((5,), 0, "float32")


def examples_of(count):
    rng = np.random.default_rng(4)
    labels = {
        "a": rng.integers(0, 3, count, dtype=np.int32),
        "b": rng.normal(size=count).astype(np.float32),
    }
    names = [str(index) for index in range(count)]
    return Examples(np.float32(rng.normal(size=(count, 5))), labels, names)


@pytest.fixture
def watched():
    """A function (gradients, fields) -> (Combination, graph.Graph, session)."""
    with tf.Graph().as_default(), tf.Session() as session:

        def build(gradients=False, **fields):
            config = Config(**{**SETTINGS, **fields})
            run = Run(config, parse(config.tasks), FEATURES)
            built = graph.build(config, inputs=FEATURES)
            measured = combination.Combination(run, gradients)
            measured.watch(session, built)
            session.run(tf.global_variables_initializer())
            return measured, built, session

        yield build


def fed(built, examples):
    """Return the feeds of the first batch of examples."""
    feeds = {built.inputs: examples.inputs[:BATCH]}
    for name, placeholder in built.labels.items():
        feeds[placeholder] = examples.labels[name][:BATCH]
    return feeds


def test_weights_of_log_sum_are_inverse_losses_of_the_first_examples(watched):
    measured, built, session = watched(label_smoothing=0.2)
    examples = examples_of(7)
    losses = session.run(built.losses, fed(built, examples))
    entry = measured.measured(examples)
    assert list(entry["weights"]) == ["a", "b"]
    for name, loss in losses.items():
        assert entry["weights"][name] == pytest.approx(1.0 / loss, rel=1e-5)
    assert "cosines" not in entry


def test_gradients_are_compared_at_the_shared_bottom(watched):
    measured, built, session = watched(gradients=True, objective="linear")
    examples = examples_of(6)
    vectors = []
    for name in ("a", "b"):
        parts = session.run(
            tf.gradients(built.losses[name], list(built.shared)), fed(built, examples)
        )
        vectors.append(np.concatenate([part.ravel() for part in parts]).astype(np.float64))
    first, second = vectors
    entry = measured.measured(examples)
    norms = {"a": np.linalg.norm(first), "b": np.linalg.norm(second)}
    assert entry["gradient_norms"] == pytest.approx(norms, rel=1e-5)
    cosine = first @ second / norms["a"] / norms["b"]
    assert entry["cosines"] == pytest.approx({"a b": cosine}, abs=1e-6)
    assert entry["weights"] == {"a": 1.0, "b": 1.0}


def test_a_gradient_of_zero_has_no_cosine(watched):
    measured, _, _ = watched(gradients=True)
    examples = examples_of(5)
    examples.labels["b"][:] = np.nan  # no label, so no gradient
    entry = measured.measured(examples)
    assert entry["gradient_norms"]["b"] == 0.0 and entry["cosines"] == {"a b": None}


@pytest.mark.parametrize("tasks", ["a:3", ",".join(f"t{index}:2" for index in range(17))])
def test_one_task_or_too_many_have_no_gradients(tasks):
    run = Run(Config(**{**SETTINGS, "tasks": tasks}), parse(tasks), FEATURES)
    assert not combination.Combination(run, gradients=True)._gradients

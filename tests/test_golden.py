"""The answer of 2016 and this project, step by step: trajectories of TensorFlow 0.12.1 replayed in today's.

golden/generate.py wrote the trajectories with the answer's own lines, and describes the files. Here each case's network is rebuilt
of the project's layers, starts from the stored weights, sees the stored batches and must show the stored cost at every step.

The cases keep away from where the two runtimes part. A cross entropy close to 0 is a difference of two nearly equal numbers, and
the logarithm turns its last bits into the first of the cost: random labels keep the costs near 4. (Exactly 0 is safe again: the floor.)
And a rectifier whose input comes within rounding of 0 can be open in one runtime and shut in the other: the margin of a case.
`pytest -rP tests/test_golden.py` shows the differences.
"""

import collections
import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import answer, layers, losses
from mtl.tasks import NUMBER_TASKS

GOLDEN = pathlib.Path(__file__).parent / "golden"
CASES = ["mlp_seed0", "mlp_seed1", "mlp_seed2", "mlp_soft", "mlp_floor", "conv"]
MOST_ULPS = 4  # units in the last place of the cost, or of 4 where the cost is smaller: near 0 its own unit says nothing
MOST_IN_A_WEIGHT = 1e-6


def load(path):
    """Read a case: dict of arrays."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def build(case, objective=answer.cost):
    """Build the network of a case into the current graph; return (images, dict of label placeholders, cost)."""
    images = tf.placeholder(tf.float32, case["images"].shape[1:])
    labels = {
        task.name: tf.placeholder(tf.float32, case["labels/" + task.name].shape[1:])
        for task in NUMBER_TASKS
    }
    x = images
    with tf.variable_scope("shared"):
        if case["bottom"] == "conv":
            x = tf.nn.relu(
                layers.conv(x, "conv1", case["initial/shared/conv1/w"].shape[-1], size=3, seed=0)
            )
            x = layers.max_pool(x, "pool1")
            x = tf.nn.relu(
                layers.conv(x, "conv2", case["initial/shared/conv2/w"].shape[-1], size=3, seed=0)
            )
        x = tf.nn.relu(
            layers.dense(
                layers.flatten(x), "dense1", case["initial/shared/dense1/w"].shape[-1], seed=0
            )
        )
    logits = {task.name: layers.dense(x, task.name, task.classes, seed=0) for task in NUMBER_TASKS}
    return images, labels, objective(logits, labels)


def replay(case, objective=answer.cost):
    """Train a case as the stored run was trained; return (float32 [steps] costs, dict variable name -> last value)."""
    with tf.Graph().as_default():
        images, labels, cost = build(case, objective)
        train = tf.train.AdamOptimizer(float(case["learning_rate"])).minimize(cost)
        variables = {variable.op.name: variable for variable in tf.trainable_variables()}
        stored = {name[len("initial/") :] for name in case if name.startswith("initial/")}
        assert set(variables) == stored, (
            "variables of the rebuilt network and of the stored one differ"
        )
        # One thread, as in generate.py: the order of every sum is then fixed, whatever the machine.
        config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        with tf.Session(config=config) as session:
            session.run(tf.global_variables_initializer())
            for name, variable in variables.items():
                variable.load(case["initial/" + name], session)
            costs = []
            for step in range(len(case["cost"])):
                batch = step % len(case["images"])
                feed = {
                    images: case["images"][batch].astype(np.float32) / np.float32(255)
                    - np.float32(0.5)
                }
                feed.update((labels[name], case["labels/" + name][batch]) for name in labels)
                costs.append(session.run([cost, train], feed)[0])
            return np.array(costs), session.run(variables)


def differences(case, objective=answer.cost):
    """Replay a case; return (float64 [steps] differences of the cost in ulps, dict variable name -> largest difference)."""
    costs, weights = replay(case, objective)
    ulps = np.abs(costs - case["cost"]) / np.spacing(
        np.maximum(np.abs(case["cost"]), np.float32(4))
    )
    return ulps.astype(np.float64), {
        name: np.abs(value - case["final/" + name]).max() for name, value in weights.items()
    }


def check_same(case, objective=answer.cost):
    """Assert that a replay stays with the stored run at every step and in every weight."""
    ulps, weights = differences(case, objective)
    print(f"largest difference: cost {ulps.max():g} ulp, weight {max(weights.values()):.2g}")
    assert np.isfinite(case["cost"]).all()
    assert ulps.max() <= MOST_ULPS, (
        f"the cost leaves the stored one at step {np.argmax(~(ulps <= MOST_ULPS))}"
    )
    assert {
        name: largest for name, largest in weights.items() if not largest <= MOST_IN_A_WEIGHT
    } == {}


def cross_entropies_of_an_mlp(case, batch):
    """Compute, in float64 and NumPy alone, the mean cross entropy of each task at the initial weights of an mlp case."""

    def dense(x, scope):
        return x @ case[f"initial/{scope}/w"].astype(np.float64) + case[f"initial/{scope}/b"]

    images = case["images"][batch] / 255.0 - 0.5
    features = np.maximum(dense(images.reshape(len(images), -1), "shared/dense1"), 0)
    means = {}
    for task in NUMBER_TASKS:
        logits = dense(features, task.name)
        logits -= logits.max(axis=1, keepdims=True)
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        means[task.name] = -(case["labels/" + task.name][batch] * log_probs).sum(axis=1).mean()
    return means


@pytest.mark.parametrize("name", CASES)
def test_answer_follows_the_original_runtime(name):
    check_same(load(GOLDEN / f"{name}.npz"))


def test_log_sum_follows_the_original_runtime():
    check_same(load(GOLDEN / "mlp_seed1.npz"), losses.log_sum)


def test_every_case_is_tested_and_says_something():
    assert sorted(path.stem for path in GOLDEN.glob("*.npz")) == sorted([*CASES, "graph"])
    for name in CASES:
        case = load(GOLDEN / f"{name}.npz")
        batches = len(case["images"])
        assert case["cost"][-batches:].mean() < case["cost"][:batches].mean() - 0.2, (
            f"{name} learns nothing"
        )
        assert case["margin"].min() > 1e-6, f"{name} has a rectifier on the edge"


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("mlp")])
def test_first_cost_is_the_formula(name):
    case = load(GOLDEN / f"{name}.npz")
    means = cross_entropies_of_an_mlp(case, batch=0)
    expected = sum(np.log(np.clip(mean, 1e-37, 1e37)) for mean in means.values() if mean > 1e-15)
    if name == "mlp_floor":
        # The task's loss is about exp(-40): less than the last bit of float32, so exactly 0 there, and the clip shows ln(1e-37).
        assert means["digit5"] < 1e-15
        expected += np.log(1e-37)
    np.testing.assert_allclose(case["cost"][0], expected, rtol=0, atol=2e-5)


def test_floor_stays_in_the_cost_and_moves_no_weight_of_its_task():
    case = load(GOLDEN / "mlp_floor.npz")
    five_tasks = case["cost"] - np.log(1e-37)
    assert five_tasks[0] == pytest.approx(4.5, abs=1.0) and five_tasks.min() > 2.0, (
        "five tasks near chance, the sixth at the floor"
    )
    for name in ("digit5/w", "digit5/b"):
        np.testing.assert_array_equal(case["final/" + name], case["initial/" + name])


@pytest.mark.parametrize("objective", [answer.cost, losses.log_sum])
def test_graph_has_the_operations_of_the_original(objective):
    stored = {kind: int(count) for kind, count in load(GOLDEN / "graph.npz").items()}
    assert stored == {
        "SoftmaxCrossEntropyWithLogits": 6,
        "Mean": 6,
        "Minimum": 6,
        "Maximum": 6,
        "Log": 6,
        "Add": 5,
        "ApplyAdam": 14,
    }

    with tf.Graph().as_default() as graph:
        kinds = []

        def counted(
            logits, labels
        ):  # the objective's own operations, without those that draw initial weights or train
            before = len(graph.get_operations())
            cost = objective(logits, labels)
            kinds.extend(operation.type for operation in graph.get_operations()[before:])
            return cost

        _, _, cost = build(load(GOLDEN / "mlp_seed0.npz"), counted)
        tf.train.AdamOptimizer(1e-3).minimize(cost)
        kinds.extend(
            operation.type
            for operation in graph.get_operations()
            if operation.type == "ResourceApplyAdam"
        )
    today = collections.Counter(
        {"AddV2": "Add", "ResourceApplyAdam": "ApplyAdam"}.get(kind, kind) for kind in kinds
    )
    assert {kind: today[kind] for kind in stored} == stored

"""The benchmark of objectives: its references compute what they say, and a short run of it."""

import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import catalogue
from tests.benchmarks import mtl_objectives, objectives


def test_every_objective_has_a_reference_and_a_turn():
    assert sorted(objectives.FAST + objectives.SLOW) == sorted(
        [*objectives.NAMES, *{*mtl_objectives.REFERENCES.values()} - {"linear"}]
    )
    assert {*objectives.NAMES, "answer"} == {*catalogue.NAMES}


def test_references_compute_the_gradient_of_the_sum():
    found = {}
    for name in ("linear", "passes"):
        with tf.Graph().as_default(), tf.Session() as session:
            means, network = _network()
            if name == "passes":
                pairs = mtl_objectives.passes({}, {}, means).gradients
            else:
                pairs = list(zip(tf.gradients(tf.add_n([*means.values()]), network), network))
            session.run(tf.global_variables_initializer())
            found[name] = session.run({each.op.name: gradient for gradient, each in pairs})
    assert found["linear"].keys() == found["passes"].keys()
    for name, expected in found["linear"].items():
        np.testing.assert_allclose(found["passes"][name], expected, rtol=1e-5, atol=1e-6)


def test_short_computes_norms_at_the_last_shared_layer():
    with tf.Graph().as_default(), tf.Session() as session:
        means, network = _network()
        ((_, norms),) = mtl_objectives.short({}, {}, means).state
        last = [tf.gradients(mean, network[2:4]) for mean in means.values()]
        session.run(tf.global_variables_initializer())
        norms, last = session.run([norms, last])
    expected = [np.sqrt(sum(np.sum(each**2) for each in gradients)) for gradients in last]
    np.testing.assert_allclose(norms, expected, rtol=1e-5)


def _network():
    """Build two shared layers and three tops; return the mean losses and all variables."""
    rng = np.random.default_rng(2)
    x, variables, means = tf.constant(rng.normal(size=(5, 3)), tf.float32), [], {}
    for layer, shape in (("shared/one", [3, 7]), ("shared/two", [7, 4])):
        with tf.variable_scope(layer):
            w = tf.get_variable("w", initializer=np.float32(rng.normal(size=shape)))
            b = tf.get_variable("b", initializer=np.float32(rng.normal(size=shape[1:])))
        variables += [w, b]
        x = tf.tanh(tf.matmul(x, w) + b)
    for index in range(3):
        initial = np.float32(rng.normal(size=[4, 2]))
        variables.append(tf.get_variable(f"top{index}/w", initializer=initial))
        means[f"top{index}"] = tf.reduce_mean(tf.square(tf.matmul(x, variables[-1])))
    return means, variables


def test_ratios_are_medians_of_turns_and_marked_above_the_limit():
    seconds = {("mtl", "passes"): np.array([1.0, 2.0, 4.0])}
    seconds["mtl", "mgda"] = np.array([1.0, 2.4, 4.4])
    row = objectives._row(6, "mgda", seconds)
    assert row[:5] == ["`mgda`", "2400.0", "`passes`", "1.100", "1.05 .. 1.15"]
    seconds["mtl", "mgda"] = np.array([1.2, 2.4, 4.4])
    seconds["TorchJD", "mgda"] = seconds["TorchJD", "passes"] = np.array([3.0])
    row = objectives._row(6, "mgda", seconds)
    assert row[3] == "1.200 `*`" and row[-2:] == ["3000.0", "1.000"]
    seconds["mtl", "linear"] = np.array([0.5, 0.25, 0.5])
    assert objectives._row(6, "linear", seconds)[3:6] == ["1.000", "1.00 .. 1.00", "1.03"]


@pytest.mark.slow
def test_a_side_trains_every_kind_of_objective_and_measures_the_monitor():
    side = mtl_objectives.Side("mlp", 2, 3)
    for name in ("linear", "passes", "again", "short", "upgrad"):
        assert side.open(name) > 0.0
        assert side.turn(name, 0.01) > 0.0
    started, seconds = side.monitored("upgrad", True, 2)
    assert started > 0.0 and len(seconds) == 2


@pytest.mark.slow
def test_prints_a_table_and_the_cost_of_the_monitor(monkeypatch, capsys):
    for name, value in {
        "BOTTOM": "mlp", "SIZE": 3, "TASKS": (3,), "NAMES": ["linear", "mgda"], "SECONDS": 0.0,
        "FAST": ["linear"], "SLOW": ["passes", "mgda"], "EVALUATIONS": 1, "EXTRA": ["passes"],
    }.items():  # fmt: skip
        monkeypatch.setattr(objectives, name, value)
    monkeypatch.setattr(objectives, "_has_peer", lambda: False)
    objectives.run(types.SimpleNamespace(rounds=1, quick=False))
    printed = capsys.readouterr().out
    assert "TorchJD is not installed" in printed
    for part in ("#### 3 tasks", "| `mgda` |", "| `passes` |", "#### The monitor"):
        assert part in printed

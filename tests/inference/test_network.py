"""mtl.inference.network with a real, tiny network: saved, restored, and held against the same network in NumPy."""

import dataclasses
import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint, model, tasks
from mtl.config import CHANNELS, CROP, WINDOW, Config
from mtl.errors import DataError
from mtl.inference import decoding, graph as inference_graph, predictions
from mtl.inference.network import Network


def save_run(directory, step, seed, config, into=""):
    """Write a run directory with the weights of a seed in its folder `into`; returns the weights, dict name -> array."""
    os.makedirs(os.path.join(directory, into), exist_ok=True)
    with open(os.path.join(directory, checkpoint.CONFIG), "w") as file:
        json.dump({"config": dataclasses.asdict(config)}, file)
    with tf.Graph().as_default(), tf.Session() as session:
        model.build(tf.zeros([1, CROP, CROP, CHANNELS]), bottom=config.bottom, seed=seed)
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(save_relative_paths=True)
        saver.save(
            session,
            os.path.join(directory, into, checkpoint.PREFIX),
            global_step=step,
            write_meta_graph=False,
        )
        return session.run({variable.op.name: variable for variable in tf.global_variables()})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("run"))
    config = Config(bottom="mlp", objective="log_sum", threads=1)
    return directory, save_run(directory, 7, seed=3, config=config)


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, CROP, CROP, CHANNELS), dtype=np.uint8)


def test_log_probs_are_those_of_a_network_built_by_hand(run):
    directory, weights = run
    images = pictures(5)
    with tf.Graph().as_default(), tf.Session() as session:
        built = model.build(tf.constant(images / 255.0, tf.float32), bottom="mlp")
        for variable in tf.global_variables():
            variable.load(weights[variable.op.name], session)
        features, wanted = session.run([built.features, built.log_probs])
    with Network.open(directory) as network:
        got = network.log_probs(images)
        assert network.step == 7 and network.config.bottom == "mlp"
    assert list(got) == [task.name for task in tasks.NUMBER_TASKS]
    for task in tasks.NUMBER_TASKS:
        assert got[task.name].shape == (5, task.classes) and got[task.name].dtype == np.float32
        np.testing.assert_allclose(got[task.name], wanted[task.name], atol=1e-5)
        logits = features @ weights[f"{task.name}/w"] + weights[f"{task.name}/b"]
        oracle = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(got[task.name], oracle, atol=1e-4)


@pytest.mark.parametrize(
    "most, variables",
    [(10, ["shared/dense1/w", "length/w"]), (10**6, ["shared/dense1/w"]), (10**9, [])],
)
def test_large_weights_stay_variables_and_are_read_all_the_same(run, monkeypatch, most, variables):
    directory, weights = run
    images = pictures(3)
    with Network.open(directory) as network:
        wanted = network.log_probs(images)
    monkeypatch.setattr(network, "MOST_CONSTANT", most)
    build, graphs = inference_graph.build, []

    def watched(**like):
        graphs.append(tf.get_default_graph())
        return build(**like)

    monkeypatch.setattr(inference_graph, "build", watched)
    with Network.open(directory) as network:
        got = network.log_probs(images)
    kept = [variable.op.name for variable in graphs[0].get_collection("variables")]
    assert kept == [name for name in weights if weights[name].size > most] and set(
        variables
    ) <= set(kept)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], atol=1e-5)


def test_rows_do_not_depend_on_the_batch(run):
    images = pictures(6, seed=1)
    with Network.open(run[0]) as network:
        whole, one = network.log_probs(images), network.log_probs(images[4:5])
    for name in whole:
        np.testing.assert_allclose(one[name][0], whole[name][4], atol=1e-5)


@pytest.mark.parametrize(
    "objective, formula", [("log_sum", lambda means: np.log(means).sum()), ("linear", np.sum)]
)
def test_cost_of_means_is_the_runs_objective(tmp_path, objective, formula):
    directory = str(tmp_path / "run")
    save_run(directory, 1, seed=0, config=Config(bottom="mlp", objective=objective))
    means = dict(
        zip([task.name for task in tasks.NUMBER_TASKS], [0.5, 2.25, 1.0, 0.125, 3.0, 0.01])
    )
    with Network.open(directory) as network:
        cost = network.cost_of_means(dict(reversed(means.items())))  # by name, not by order
        assert type(cost) is float and cost == pytest.approx(
            float(formula(np.array(list(means.values())))), rel=1e-6
        )
        if objective == "log_sum":
            assert network.cost_of_means(means | {"digit5": 0.0}) == pytest.approx(
                np.log([0.5, 2.25, 1.0, 0.125, 3.0, 1e-37]).sum(), rel=1e-6
            )


def test_which_checkpoint(tmp_path):
    directory = str(tmp_path / "run")
    config = Config(bottom="mlp")
    last = save_run(directory, 20, seed=1, config=config)
    best = save_run(directory, 10, seed=2, config=config, into="best")
    images = pictures(2)
    path = os.path.join(directory, "best", "model.ckpt-10")
    with (
        Network.open(directory) as a,
        Network.open(directory, "last") as b,
        Network.open(directory, path) as c,
    ):
        assert (a.step, b.step, c.step) == (10, 20, 10)
        outputs = [
            network.log_probs(images)["digit2"] for network in (a, b, c)
        ]  # three graphs side by side
    np.testing.assert_array_equal(outputs[0], outputs[2])
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3
    assert not np.array_equal(last["digit2/w"], best["digit2/w"])


def test_another_networks_checkpoint_is_a_data_error(run):
    with pytest.raises(DataError, match="model.ckpt-7") as caught:
        Network(Config(bottom="small"), os.path.join(run[0], "model.ckpt-7"))
    assert "\n" not in str(caught.value)


def test_no_run_is_a_data_error(tmp_path):
    with pytest.raises(DataError) as caught:
        Network.open(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_closed_network_reads_no_more(run):
    with Network.open(run[0]) as network:
        pass
    with pytest.raises(RuntimeError):
        network.log_probs(pictures(1))


def test_no_default_graph_is_touched(run):
    with tf.Graph().as_default() as graph, Network.open(run[0]) as network:
        network.log_probs(pictures(1))
        assert graph.get_operations() == []


def test_inference_shares_the_variables_of_a_training_network():
    plain = {
        "tasks": tasks.NUMBER_TASKS,
        "bottom": "mlp",
        "objective": "linear",
        "crop": 11,
        "channels": 2,
    }
    with tf.Graph().as_default() as graph, tf.Session() as session:
        images = np.random.default_rng(4).integers(0, 256, (3, 11, 11, 2), dtype=np.uint8)
        trained = model.build(model.to_float(tf.constant(images)), bottom="mlp", seed=5)
        names = [variable.name for variable in tf.global_variables()]
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            shared = inference_graph.build(**plain)
        assert [variable.name for variable in tf.global_variables()] == names
        session.run(tf.global_variables_initializer())
        graph.finalize()
        bound = shared.bind(session)
        wanted, got = session.run(trained.log_probs), bound.log_probs(images)
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name], atol=1e-6)
        assert bound.cost_of_means({task.name: 0.5 for task in tasks.NUMBER_TASKS}) == 3.0


def test_prediction_is_the_contract(run):
    with Network.open(run[0]) as network:
        log_probs = network.log_probs(pictures(2))
    numbers, confidences = decoding.joint(log_probs)
    one = {name: rows[1] for name, rows in log_probs.items()}
    answer = predictions.prediction("a b.png", numbers[1], confidences[1], one)
    assert list(answer) == ["file", "number", "confidence", "length", "digits"]
    assert (
        answer["file"] == "a b.png"
        and answer["number"] == numbers[1]
        and answer["confidence"] == confidences[1]
    )
    assert np.shape(answer["length"]) == (7,) and np.shape(answer["digits"]) == (5, 11)
    assert sum(answer["length"]) == pytest.approx(1, abs=1e-5)
    for i, row in enumerate(answer["digits"], start=1):
        assert row == pytest.approx(np.exp(one[f"digit{i}"]).tolist(), rel=1e-6)
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_predictions_of_windows_are_those_of_their_centres(run):
    windows = list(
        np.random.default_rng(8).integers(0, 256, (3, WINDOW, WINDOW, CHANNELS), dtype=np.uint8)
    )
    with Network.open(run[0]) as network:
        got = predictions.predictions(network.log_probs, ["a", "b", "c"], windows)
        assert predictions.predictions(network.log_probs, [], []) == []
        log_probs = network.log_probs(np.stack(windows)[:, 5:59, 5:59])
    numbers, confidences = decoding.joint(log_probs)
    rows = [{name: rows[i] for name, rows in log_probs.items()} for i in range(3)]
    assert got == [
        predictions.prediction(*one) for one in zip("abc", numbers, confidences, rows, strict=True)
    ]


def test_floats_are_refused_by_the_network_and_by_predictions(run):
    windows = np.random.default_rng(8).random((3, WINDOW, WINDOW, CHANNELS), np.float32)
    with Network.open(run[0]) as network:
        with pytest.raises(ValueError) as caught:
            network.log_probs(windows[:, 5:59, 5:59])
        assert str(caught.value) == (
            "images must be uint8 [n, 54, 54, 3] with values 0 to 255, got float32 [3, 54, 54, 3]; "
            "convert floats in 0..1 with np.rint(255 * images).astype(np.uint8)"
        )
        good, files = np.uint8(255 * windows[0]), ["a", "b", "c"]
        reason = r"^the window of b must be uint8 \[height, width, 3\] .*got float32"
        with pytest.raises(ValueError, match=reason):
            predictions.predictions(network.log_probs, files, [good, *windows[1:]])
        for window in (None, good.tolist()):
            with pytest.raises(ValueError, match="^the window of a must .*pass a NumPy array"):
                predictions.predictions(network.log_probs, ["a"], [window])


def test_predictions_want_a_window_a_file(run):
    windows = np.zeros((3, WINDOW, WINDOW, CHANNELS), np.uint8)
    with pytest.raises(ValueError, match="2 files and 3 windows; pass one window a file"):
        predictions.predictions(lambda images: {}, ["a", "b"], windows)


def test_predictions_of_views_are_those_of_their_mean_probabilities(run):
    windows = np.random.default_rng(9).integers(
        0, 256, (3, WINDOW, WINDOW, CHANNELS), dtype=np.uint8
    )
    with Network.open(run[0]) as network:
        got = predictions.predictions(network.log_probs, ["a", "b", "c"], list(windows), views=2)
        crops = windows[:, 5:59, 5:59]
        both = [network.log_probs(crops), network.log_probs(255 - crops)]
    for i, one in enumerate(got):
        expected = (np.exp(both[0]["length"][i]) + np.exp(both[1]["length"][i])) / 2
        assert one["length"] == pytest.approx(expected.tolist(), rel=1e-5)
    assert got != predictions.predictions(lambda images: both[0], ["a", "b", "c"], list(windows))


def test_prediction_of_a_long_number_and_of_a_broken_network_is_strict_json():
    log_probs = {
        task.name: np.full(task.classes, -np.inf, np.float32) for task in tasks.NUMBER_TASKS
    }
    answer = predictions.prediction("x.png", None, 0.0, log_probs)
    assert answer == {
        "file": "x.png",
        "number": None,
        "confidence": 0.0,
        "length": [0.0] * 7,
        "digits": [[0.0] * 11] * 5,
    }
    log_probs["length"][2] = np.nan
    answer = predictions.prediction("x.png", "", float("nan"), log_probs)
    assert answer["confidence"] is None and answer["length"] == [0.0, 0.0, None, 0.0, 0.0, 0.0, 0.0]
    json.dumps(answer, allow_nan=False)

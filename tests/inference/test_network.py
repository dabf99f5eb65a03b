"""mtl.inference.network: a tiny network, saved, restored and compared with NumPy."""

import dataclasses
import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl import checkpoint, model, run_files, sessions, tasks
from mtl.config import Config
from mtl.errors import DataError
from mtl.inference import network as network_module
from mtl.inference.network import Network
from mtl.inputs import NUMBERS, Inputs

MLP = Config(bottom="mlp", threads=1)


class OwnRun:
    """A run of other tasks: grey images of 9 x 11 pixels, hidden layers and a real number."""

    config = Config(
        bottom="mlp", tasks="odd:2,height:real", top_units="5,3", dataset="npz", data_dir="data"
    )
    tasks = (tasks.Task("odd", 2), tasks.Task("height", 1, "real", mean=170.0, std=8.0))
    inputs = Inputs((9, 11, 1), crop=7)

    @classmethod
    def save(cls, directory, bottom="mlp"):
        """Write the run directory with its first weights; return them as dict name -> array."""
        config = dataclasses.replace(cls.config, bottom=bottom)
        record = run_files.to_json(run_files.Run(config, cls.tasks, cls.inputs))
        record["config"] = dataclasses.asdict(config)
        with open(os.path.join(directory, checkpoint.CONFIG), "w", encoding="utf-8") as file:
            json.dump(record, file)
        with tf.Graph().as_default(), tf.Session() as session:
            images = tf.zeros([1, *cls.inputs.network_shape])
            model.build(images, tasks=cls.tasks, bottom="mlp", top_units=(5, 3))
            session.run(tf.global_variables_initializer())
            saver = tf.train.Saver(save_relative_paths=True)
            path = os.path.join(directory, checkpoint.PREFIX)
            saver.save(session, path, global_step=3, write_meta_graph=False)
            return session.run({each.op.name: each for each in tf.global_variables()})


def save_run(directory, step, seed, part=""):
    """Write a run directory with the first weights of a seed in its folder `part`.

    Returns:
      dict variable name -> array.
    """
    os.makedirs(os.path.join(directory, part), exist_ok=True)
    with open(os.path.join(directory, checkpoint.CONFIG), "w", encoding="utf-8") as file:
        json.dump({"config": dataclasses.asdict(MLP)}, file)
    path = os.path.join(directory, part, checkpoint.PREFIX)
    with tf.Graph().as_default(), tf.Session() as session:
        model.build(tf.zeros([1, *NUMBERS.network_shape]), bottom="mlp", seed=seed)
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(save_relative_paths=True)
        saver.save(session, path, global_step=step, write_meta_graph=False)
        return session.run({variable.op.name: variable for variable in tf.global_variables()})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory and its weights, dict variable name -> array."""
    directory = str(tmp_path_factory.mktemp("run"))
    return directory, save_run(directory, 7, seed=3)


def images_of(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *NUMBERS.network_shape), dtype=np.uint8)


def test_outputs_equal_those_of_a_network_built_by_hand(run):
    directory, weights = run
    images = images_of(5)
    with tf.Graph().as_default(), tf.Session() as session:
        built = model.build(tf.constant(images / 255.0, tf.float32), bottom="mlp")
        for variable in tf.global_variables():
            variable.load(weights[variable.op.name], session)
        features, expected = session.run([built.features, built.outputs])
    with Network.open(directory) as network:
        found = network.outputs(images)
        assert network.step == 7 and network.config.bottom == "mlp"
        assert network.temperature == 1.0
    assert list(found) == [task.name for task in tasks.NUMBER_TASKS]
    for task in tasks.NUMBER_TASKS:
        rows = found[task.name]
        assert rows.shape == (5, task.outputs) and rows.dtype == np.float32
        np.testing.assert_allclose(rows, expected[task.name], atol=1e-5)
        logits = features @ weights[f"{task.name}/w"] + weights[f"{task.name}/b"]
        by_numpy = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(rows, by_numpy, atol=1e-4)


def test_outputs_do_not_depend_on_the_batch(run):
    images = images_of(6, seed=1)
    with Network.open(run[0]) as network:
        whole, one = network.outputs(images), network.outputs(images[4:5])
    for name in whole:
        np.testing.assert_allclose(one[name][0], whole[name][4], atol=1e-5)


def test_lanes_are_networks_of_the_same_outputs(run):
    images = images_of(3, seed=4)
    with Network.open(run[0]) as network:
        expected = network.outputs(images)
        lanes = network.lanes()
        assert len(lanes) == sessions.parts_of_predictions()
        for lane in lanes:
            found = lane.outputs(images)
            assert lane.inputs == network.inputs and list(found) == list(expected)
            for name, rows in expected.items():
                np.testing.assert_allclose(found[name], rows, atol=1e-5)


def test_predicts_in_bfloat16_on_request(run):
    images = images_of(5, seed=2)
    with Network.open(run[0]) as network, Network.open(run[0], precision="bf16") as other:
        exact, rounded = network.outputs(images), other.outputs(images)
    apart = max(np.abs(exact[name] - rounded[name]).max() for name in exact)
    assert 1e-6 < apart < 0.05  # 8 bits of precision
    assert all(rows.dtype == np.float32 for rows in rounded.values())
    with pytest.raises(ValueError, match="precision=fp8 must be one of fp32, bf16"):
        Network.open(run[0], precision="fp8")


@pytest.mark.parametrize("most, constants", [(1 << 22, 14), (5000, 13), (0, 0)])
def test_small_weights_are_constants_in_small_batches(run, monkeypatch, most, constants):
    images = images_of(6, seed=3)
    made, constant = [], tf.constant
    with Network.open(run[0]) as network:
        expected = network.outputs(images)

    def recorded(value, *arguments, **settings):
        made.append(np.shape(value))
        return constant(value, *arguments, **settings)

    monkeypatch.setattr(network_module, "MOST_CONSTANT", most)
    monkeypatch.setattr(network_module.tf, "constant", recorded)
    with Network.open(run[0]) as network:
        monkeypatch.undo()
        for count in (6, 1, 6):  # a small batch has operations of its own
            for name, rows in network.outputs(images[:count]).items():
                np.testing.assert_allclose(rows, expected[name][:count], atol=1e-5)
    assert len(made) == constants
    assert ((54 * 54 * 3, 256) in made) == (most == 1 << 22)


@pytest.mark.slow
def test_opens_best_last_or_the_path_of_a_checkpoint(tmp_path):
    directory = str(tmp_path / "run")
    save_run(directory, 20, seed=1)
    save_run(directory, 10, seed=2, part="best")
    images = images_of(2)
    path = os.path.join(directory, "best", "model.ckpt-10")
    with (
        Network.open(directory) as best,
        Network.open(directory, "last") as last,
        Network.open(directory, path) as named,
    ):
        assert (best.step, last.step, named.step) == (10, 20, 10)
        # Three graphs side by side.
        outputs = [each.outputs(images)["digit2"] for each in (best, last, named)]
    np.testing.assert_array_equal(outputs[0], outputs[2])
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3


def test_rejects_the_checkpoint_of_another_network(run):
    with pytest.raises(DataError) as caught:
        run_of_small = run_files.Run(Config(bottom="small"), tasks.NUMBER_TASKS, NUMBERS)
        Network(run_of_small, os.path.join(run[0], "model.ckpt-7"))
    one_line(caught, "model.ckpt-7")


def test_rejects_a_folder_without_a_run(tmp_path):
    with pytest.raises(DataError) as caught:
        Network.open(str(tmp_path))
    one_line(caught, tmp_path)


def test_a_closed_network_raises(run):
    with Network.open(run[0]) as network:
        pass
    with pytest.raises(RuntimeError):
        network.outputs(images_of(1))


def test_leaves_the_default_graph_empty(run):
    with tf.Graph().as_default() as graph, Network.open(run[0]) as network:
        network.outputs(images_of(1))
        assert graph.get_operations() == []


def test_rejects_floats_with_the_cure(run):
    images = np.random.default_rng(8).random((3, *NUMBERS.network_shape), np.float32)
    with Network.open(run[0]) as network, pytest.raises(ValueError) as caught:
        network.outputs(images)
    assert str(caught.value) == (
        "inputs must be uint8 [n, 54, 54, 3] with values 0 to 255, got float32 [3, 54, 54, 3]; "
        "convert floats in 0..1 with np.rint(255 * images).astype(np.uint8)"
    )


# -- other tasks -----------------------------------------------------------------------------------


def test_opens_a_run_of_other_tasks(tmp_path):
    weights = OwnRun.save(tmp_path)
    images = np.random.default_rng(5).integers(0, 256, (4, 7, 7, 1), np.uint8)
    with Network.open(str(tmp_path)) as network:
        assert (network.tasks, network.inputs) == (OwnRun.tasks, OwnRun.inputs)
        found = network.outputs(images)
    x = images / 255.0
    x = (x - x.mean(axis=(1, 2, 3), keepdims=True)).reshape(4, -1)
    for layer in ("shared/dense1", "height/dense1", "height/dense2"):
        x = np.maximum(x @ weights[f"{layer}/w"] + weights[f"{layer}/b"], 0.0)
    expected = 170.0 + 8.0 * (x @ weights["height/w"] + weights["height/b"])
    assert {name: rows.shape for name, rows in found.items()} == {"odd": (4, 2), "height": (4, 1)}
    np.testing.assert_allclose(found["height"], expected, rtol=1e-5)


def test_opens_a_run_with_a_bottom_of_the_user(tmp_path, monkeypatch):
    (tmp_path / "my_layers.py").write_text(
        "import tensorflow.compat.v1 as tf\n\nfrom mtl import bottoms\n\n\n"
        "def net(images, **settings):\n"
        "    features = bottoms.mlp(images, **settings).features\n"
        "    assert tf.global_variables()[0].initializer is not None\n"
        "    return features\n"
    )
    OwnRun.save(tmp_path, bottom="my_layers:net")
    with pytest.raises(DataError) as caught:
        Network.open(str(tmp_path))
    message = one_line(caught, "my_layers", "ModuleNotFoundError", "PYTHONPATH")
    assert message.startswith(f"{tmp_path}: its --bottom=my_layers:net cannot be imported (")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Network.open(str(tmp_path)) as network:
        assert network.outputs(np.zeros((2, 7, 7, 1), np.uint8))["odd"].shape == (2, 2)

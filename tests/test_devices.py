"""mtl.devices with a fake list of devices, and what a GPU changes elsewhere."""

from typing import NamedTuple

import pytest
import tensorflow.compat.v1 as tf

from mtl import config, devices, sessions, train
from mtl.runs import environment


class Device(NamedTuple):
    name: str


@pytest.fixture
def fake(monkeypatch):
    """A function (names) that makes TensorFlow list these GPUs; None has no details."""

    def install(*names):
        found = [Device(f"/physical_device:GPU:{number}") for number in range(len(names))]
        details = [{"device_name": name} if name else {} for name in names]
        of = dict(zip(found, details))
        experimental = tf.config.experimental
        monkeypatch.setattr(
            experimental, "list_physical_devices", lambda kind: found if kind == "GPU" else []
        )
        monkeypatch.setattr(experimental, "get_device_details", of.get)

    return install


def test_gpus_are_listed_by_name(fake):
    fake()
    assert devices.gpus() == []
    fake("NVIDIA H100", None)
    assert devices.gpus() == ["NVIDIA H100", "/physical_device:GPU:1"]


@pytest.mark.parametrize(
    "names, threads, towers, text",
    [
        ([], 1, 1, "on the processor, with 1 thread and 1 tower"),
        ([], 8, 4, "on the processor, with 8 threads and 4 towers"),
        (["T4"], 8, 1, "on T4 (GPU 0 of 1)"),
    ],
)
def test_placement_names_what_computes(fake, names, threads, towers, text):
    fake(*names)
    assert devices.placement(threads, towers) == text


def test_a_gpu_has_one_tower_and_the_thread_pools_of_tensorflow(fake):
    assert sessions.towers_of(2, 32) == 2
    assert sessions.parts_of_predictions() == sessions.machine.cores()
    fake("T4")
    assert sessions.towers_of(2, 32) == sessions.parts_of_predictions() == 1
    for options in (sessions.session_config(2, 32), sessions.prediction_config()):
        assert options.allow_soft_placement
        assert sessions.pools(options) == {"intra_op": 0, "inter_op": 0}


def test_training_graph_for_a_gpu_has_no_tower_scopes(fake):
    fake("T4")
    with tf.Graph().as_default() as graph:
        train.build(config.Config(threads=4))
        assert not [each.name for each in graph.get_operations() if "tower" in each.name]


def test_versions_name_the_gpus(fake):
    assert environment.versions()["gpu"] == "none"
    fake("T4", "T4")
    assert environment.versions()["gpu"] == "T4, T4"

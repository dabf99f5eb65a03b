"""mtl.pretrained.make: the weights of a run, rounded once, open like any run."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.errors import DataError
from mtl.inference.network import Network
from mtl.inputs import NUMBERS
from mtl.pretrained import make
from tests.inference.test_network import save_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose best checkpoint is older than its last one."""
    directory = str(tmp_path_factory.mktemp("run"))
    save_run(directory, 9, seed=4)
    save_run(directory, 5, seed=3, part=checkpoint.BEST)
    for name in (checkpoint.FLAGS, checkpoint.VERSIONS):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(f"{name} of the run\n")
    return directory


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_packs_the_best_weights_in_half_precision(run, tmp_path):
    path = make.pack(run, str(tmp_path / "packed"))
    assert path == str(tmp_path / "packed" / "model.ckpt-5")
    packed = tf.train.load_checkpoint(path)
    best = tf.train.load_checkpoint(os.path.join(run, checkpoint.BEST, "model.ckpt-5"))
    names = set(packed.get_variable_to_shape_map())
    assert names == {name for name in best.get_variable_to_shape_map() if name != "global_step"}
    for name in names:
        assert packed.get_variable_to_dtype_map()[name] == tf.float16
        expected = best.get_tensor(name).astype(np.float16)
        np.testing.assert_array_equal(packed.get_tensor(name), expected)
    assert (tmp_path / "packed" / "flags.flags").read_text() == "flags.flags of the run\n"


def test_packed_network_predicts_as_the_run(run, tmp_path):
    make.pack(run, str(tmp_path))
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (3, *NUMBERS.network_shape), np.uint8)
    with Network.open(run) as whole, Network.open(str(tmp_path)) as packed:
        assert packed.step == 5
        expected = whole.outputs(images)
        for name, rows in packed.outputs(images).items():
            np.testing.assert_allclose(rows, expected[name], atol=0.02)


def test_packs_the_last_weights_on_request(run, tmp_path):
    assert make.pack(run, str(tmp_path), "last") == str(tmp_path / "model.ckpt-9")


def test_packing_again_writes_the_same_bytes(run, tmp_path):
    make.pack(run, str(tmp_path))
    before = contents(tmp_path)
    make.pack(run, str(tmp_path))
    assert contents(tmp_path) == before


def test_packing_replaces_another_checkpoint(run, tmp_path):
    make.pack(run, str(tmp_path), "last")
    make.pack(run, str(tmp_path))
    assert checkpoint.all_of(str(tmp_path)) == [str(tmp_path / "model.ckpt-5")]


def test_refuses_a_folder_without_a_run(tmp_path):
    with pytest.raises(DataError, match="no checkpoint"):
        make.pack(str(tmp_path), str(tmp_path / "packed"))
    assert not (tmp_path / "packed").exists()

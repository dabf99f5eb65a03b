"""mtl.pretrained.make: what is packed is the run's best weights, rounded once, and opens like any run."""

import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from test_predict import save_run

from mtl import checkpoint
from mtl.config import CHANNELS, CROP, Config
from mtl.errors import DataError
from mtl.inference.network import Network
from mtl.pretrained import make


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a run with two checkpoints, of which the older is the best, and the weights of that one."""
    directory = str(tmp_path_factory.mktemp("run"))
    config = Config(bottom="mlp", threads=1)
    save_run(directory, 9, seed=4, config=config)
    best = save_run(directory, 5, seed=3, config=config, into=checkpoint.BEST)
    for name in ("flags.flags", "versions.json"):
        with open(os.path.join(directory, name), "w") as file:
            file.write(f"{name} of the run\n")
    return directory, best


def test_the_best_weights_are_packed_in_half_precision(run, tmp_path):
    directory, best = run
    path = make.pack(directory, str(tmp_path / "packed"))
    assert path == str(tmp_path / "packed" / "model.ckpt-5")
    reader = tf.train.load_checkpoint(path)
    assert set(reader.get_variable_to_shape_map()) == set(best)
    for name, value in best.items():
        assert reader.get_variable_to_dtype_map()[name] == tf.float16
        np.testing.assert_array_equal(reader.get_tensor(name), value.astype(np.float16))
    images = np.random.default_rng(2).integers(0, 256, (3, CROP, CROP, CHANNELS), np.uint8)
    with Network.open(directory) as whole, Network.open(str(tmp_path / "packed")) as packed:
        assert packed.step == 5
        for name, rows in whole.log_probs(images).items():
            np.testing.assert_allclose(packed.log_probs(images)[name], rows, atol=0.02)
    assert (tmp_path / "packed" / "flags.flags").read_text() == "flags.flags of the run\n"


def test_the_last_weights_are_packed_where_they_are_asked_for(run, tmp_path):
    assert make.pack(run[0], str(tmp_path), "last") == str(tmp_path / "model.ckpt-9")


def test_packing_again_replaces_and_writes_the_same_bytes(run, tmp_path):
    directory, _ = run
    contents = []
    for _ in range(2):
        make.pack(directory, str(tmp_path))
        contents.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert contents[0] == contents[1]
    shutil.copytree(directory, tmp_path / "later", ignore=shutil.ignore_patterns("best"))
    make.pack(str(tmp_path / "later"), str(tmp_path / "packed"))
    make.pack(directory, str(tmp_path / "packed"))
    assert checkpoint.all_of(str(tmp_path / "packed")) == [
        str(tmp_path / "packed" / "model.ckpt-5")
    ]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="no checkpoint"):
        make.pack(str(tmp_path), str(tmp_path / "packed"))
    assert not (tmp_path / "packed").exists()

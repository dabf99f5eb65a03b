"""An .npz file with any damage, and with a pickle in it."""

import os
import pickle
import random
import zipfile
from collections import Counter

import numpy as np
from hypothesis import example, given

from mtl.data import npz
from mtl.data.examples import Examples
from tests.mutations import damage, damaged, quick


def test_no_damage_makes_it_crash(tmp_path, taken):
    path, seen = tmp_path / "train.npz", Counter()
    npz.save(str(path), Examples(np.zeros((1, 64, 64, 3), np.uint8), ["210"], ["1.png"]))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(
        path, "w", zipfile.ZIP_DEFLATED
    ) as archive:  # so that its headers are a large part of it
        for name, content in members.items():
            archive.writestr(name, content)
    whole = path.read_bytes()

    @quick(300)
    @given(damaged(whole))
    @example(damage(whole, random.Random(8552)))  # one that does not begin as an array does
    def property(data):
        path.write_bytes(data)
        seen[taken("numpy", path)["outcome"]] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 5


class Trap:
    """What leaves a trace where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_no_pickle_is_opened(tmp_path, taken):
    trap, path = str(tmp_path / "sprung"), tmp_path / "train.npz"
    arrays = {"images": np.zeros((1, 64, 64, 3), np.uint8), "numbers": np.array(["1"])}
    for name in ("images", "numbers", "names"):
        np.savez(path, **{**arrays, name: np.array([Trap(trap)], object)})
        assert taken("numpy", path)["outcome"] == "refused"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", pickle.dumps(Trap(trap)))
    assert taken("numpy", path)["outcome"] == "refused"
    path.write_bytes(pickle.dumps(Trap(trap)))
    assert taken("numpy", path)["outcome"] == "refused"
    assert not os.path.exists(trap)
    pickle.loads(pickle.dumps(Trap(trap)))
    assert os.path.exists(trap)  # it would have been

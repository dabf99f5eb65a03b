"""An .npz file with any damage, or with a pickle."""

import os
import pickle
import random
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from mtl.data import npz
from mtl.data.examples import of_numbers
from tests.mutations import damage, damaged, quick

pytestmark = pytest.mark.slow


def test_damaged_file_is_read_or_rejected(tmp_path, read):
    path, seen = tmp_path / "train.npz", Counter()
    npz.save(str(path), of_numbers(np.zeros((1, 64, 64, 3), np.uint8), ["210"], ["1.png"]))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    # Compressed, so that more of the damage is in the headers.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    whole = path.read_bytes()

    @quick(300)
    @given(damaged(whole))
    @example(damage(whole, random.Random(8552)))  # a member without the header of an array
    def check(data):
        path.write_bytes(data)
        seen[read("numpy", path)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 5


def test_damaged_own_arrays_are_read_or_rejected(tmp_path, read):
    path, seen = tmp_path / "train.npz", Counter()
    size = np.array([1.5, np.nan, 3.0])
    np.savez(path, features=np.arange(6.0).reshape(3, 2), kind=np.array([0, -1, 2]), size=size)
    # No compression and no checksum error: the damage reaches the arrays.
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    @quick(200)
    @given(st.sampled_from(sorted(members)), st.integers(0, 2**32))
    def check(name, seed):
        changed = {**members, name: damage(members[name], random.Random(seed))}
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in changed.items():
                archive.writestr(member, content)
        seen[read("own_numpy", path)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 5


class Trap:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_is_unpickled(tmp_path, read):
    trap, path = str(tmp_path / "sprung"), tmp_path / "train.npz"
    arrays = {"images": np.zeros((1, 64, 64, 3), np.uint8), "numbers": np.array(["1"])}
    for name in ("images", "numbers", "names"):
        np.savez(path, **{**arrays, name: np.array([Trap(trap)], object)})
        assert read("numpy", path)["outcome"] == "rejected"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", pickle.dumps(Trap(trap)))
    assert read("numpy", path)["outcome"] == "rejected"
    path.write_bytes(pickle.dumps(Trap(trap)))
    assert read("numpy", path)["outcome"] == "rejected"
    assert not os.path.exists(trap)
    pickle.loads(pickle.dumps(Trap(trap)))
    assert os.path.exists(trap)  # the trap does work

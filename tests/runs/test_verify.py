import errno

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl import checkpoint
from mtl.errors import DataError
from mtl.runs import verify


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_flipped_bit_is_found_or_harmless(directory, suffix):
    path, file = str(directory / "model.ckpt-9"), directory / f"model.ckpt-9.{suffix}"
    whole, found = file.read_bytes(), 0
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        if verify.damage(path):
            found += 1
        else:
            w = checkpoint.read(path, {"w": ([5], tf.float32)})["w"]
            np.testing.assert_array_equal(w, np.arange(5, dtype=np.float32))
    # All bits of the five values, and more than half of the bits of the index.
    assert found >= (4 * len(whole) if suffix == "index" else 8 * 5 * 4)


def test_unreadable_is_not_damaged(directory, monkeypatch):
    """Missing rights, too many open files or a slow disk say nothing about the content."""

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", path + ".index")

    monkeypatch.setattr(verify.bundle, "check", denied)
    path = f"{directory}/model.ckpt-9"
    with pytest.raises(DataError) as error:
        verify.damage(path)
    one_line(error, f"{path}.index: cannot be read (Permission denied); make it readable")

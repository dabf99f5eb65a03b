"""The data sets by name."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mtl.data import npz, registry
from mtl.data.examples import Examples
from mtl.errors import DataError
from tests import record_sets


def test_readers_by_name(tmp_path):
    picture = np.full((64, 64, 3), 7, np.uint8)
    npz.save(str(tmp_path / "test.npz"), Examples(picture[None], ["12"], ["a"]))
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "labels.csv").write_text("file,label\nb.png,34\nc.png,5\n")
    for name in ("b.png", "c.png"):
        Image.fromarray(picture).save(tmp_path / "test" / name)
    assert registry.load("npz", str(tmp_path), "test").numbers == ["12"]
    assert registry.load("folder", str(tmp_path), "test").numbers == ["34", "5"]
    assert registry.load("folder", str(tmp_path), "test", count=1).numbers == ["34"]
    record_sets.write(tmp_path, test=[record_sets.some(["7", "", "89"])])
    assert registry.load("records", str(tmp_path), "test", count=2).numbers == ["7", ""]
    with pytest.raises(DataError, match=r"digitStruct\.mat: no such file"):
        registry.load("svhn", str(tmp_path), "test")


def test_unknown_names_list_the_known():
    with pytest.raises(DataError, match="'mnist': choose one of synthetic, svhn"):
        registry.load("mnist", "", "test")
    with pytest.raises(DataError, match="no split 'extra': choose one of train, validation, test"):
        registry.load("synthetic", "", "extra")
    with pytest.raises(DataError, match="--data_dir"):
        registry.load("svhn", "", "test")


def test_synthetic_needs_a_count():
    assert len(registry.load("synthetic", "", "test", count=2, workers=1).numbers) == 2
    with pytest.raises(ValueError, match="count"):
        registry.load("synthetic", "", "test")


def test_importing_the_list_imports_no_reader():
    code = "import sys, mtl.data.registry; print([m for m in ('h5py', 'PIL', 'tensorflow') if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout
        == "[]\n"
    )

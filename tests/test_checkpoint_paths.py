"""Run directories whose path TensorFlow would take for a pattern."""

import os
import shutil
import tempfile

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from small_checkpoints import SHAPES, SUFFIXES, B, W, restore, write

from helpers import one_line
from mtl import checkpoint
from mtl.errors import DataError
from mtl.runs import find, verify


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A folder for run directories of any name."""
    return tmp_path_factory.mktemp("parent")


NAMES = st.text(
    st.one_of(st.sampled_from("*?[]{}\\!^-~$%#:1ra "), st.characters(exclude_characters="/\0")),
    min_size=1,
    max_size=12,
)
NEIGHBOURS = ("neighbour", "run1", "a1/run", "a/run1", "a/run")


def write_neighbours(parent):
    """Write files of other runs, which a pattern could match; return the directories."""
    directories = [parent / name for name in NEIGHBOURS]
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
        for step in (1, 2):
            for suffix in SUFFIXES:
                (directory / f"model.ckpt-{step}{suffix}").write_bytes(b"of another run")
    return directories


@pytest.mark.slow
@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(folder=NAMES, name=NAMES)
@hypothesis.example("a", "run[1]")
@hypothesis.example("a[1]", "run")
@hypothesis.example("a", "r*n")
@hypothesis.example("?", "\\\\")
@hypothesis.example("a", "run\udce9")
def test_run_directory_may_have_any_name_and_leaves_its_neighbours_alone(parent, folder, name):
    hypothesis.assume(not {folder, name} & {".", "..", "run1", "neighbour"})
    hypothesis.assume(len(os.fsencode(name)) < 200)
    run = parent / folder / name
    neighbours = write_neighbours(parent)
    hypothesis.assume(run not in neighbours)
    try:
        write(run, {"top/w": W, "top/b": B}, 1, 2)
        path = write(run, {"top/w": W + 3, "top/b": B}, 3)
        parts = [f"model.ckpt-3{suffix}" for suffix in SUFFIXES]
        assert sorted(os.listdir(run)) == sorted(["checkpoint", *parts])
        np.testing.assert_array_equal(restore(path, SHAPES)["top/w"], W + 3)
        assert find.checkpoint(str(run), "last") == path
        assert verify.damage(path) is None
    finally:
        shutil.rmtree(run, ignore_errors=True)
    for neighbour in neighbours:
        contents = [file.read_bytes() for file in neighbour.iterdir()]
        assert contents == [b"of another run"] * 4


def test_checkpoint_whose_own_name_is_a_pattern_is_read(tmp_path):
    path = write(tmp_path, {"top/w": W, "top/b": B}, 3)
    for suffix in SUFFIXES:
        os.rename(path + suffix, tmp_path / f"a[1]-3{suffix}")
    np.testing.assert_array_equal(restore(str(tmp_path / "a[1]-3"), SHAPES)["top/w"], W)


def test_temporary_links_are_removed(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = write(tmp_path / "run[1]", {"top/w": W, "top/b": B}, 3)
    restore(path, SHAPES)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    "exists, parts",
    [(True, ["cannot be written", "TMPDIR"]), (False, ["set TMPDIR to one without *?["])],
)
def test_unusable_temporary_folder_is_reported(tmp_path, monkeypatch, exists, parts):
    path = write(tmp_path / "run[1]", {"top/w": W, "top/b": B}, 3)
    temporary = str(tmp_path / "removed")
    monkeypatch.setattr(tempfile, "tempdir", temporary)
    monkeypatch.setattr(checkpoint.os.path, "isdir", lambda path: exists and path == temporary)
    with pytest.raises(DataError) as error:
        restore(path, SHAPES)
    one_line(error, temporary, *parts)

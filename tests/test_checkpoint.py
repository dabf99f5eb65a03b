"""Checkpoints of a few numbers: found by their index, verified when read, saved as a whole."""

import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from small_checkpoints import SHAPES, SUFFIXES, B, W, restore, write, zeros

from helpers import one_line, touch
from mtl import checkpoint
from mtl.errors import DataError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The path of a checkpoint."""
    return write(tmp_path_factory.mktemp("saved"), {"top/w": W, "top/b": B}, 3)


@pytest.fixture
def copied(saved, tmp_path):
    """The path of a copy, for tests that damage it."""
    shutil.copytree(os.path.dirname(saved), tmp_path, dirs_exist_ok=True)
    return str(tmp_path / os.path.basename(saved))


# -- find ------------------------------------------------------------------------------------------


def test_newest_checkpoint_has_the_highest_step(tmp_path):
    for step in (9, 10, 200):
        touch(str(tmp_path / f"model.ckpt-{step}.index"))
    not_complete_checkpoints_of_a_run = [
        "model.ckpt-999.data-00000-of-00001",
        "model.ckpt-1000.index.tmp",
        "xmodel.ckpt-1001.index",
        "modelXckpt-1002.index",
        "model.ckpt-.index",
        "model.ckpt--5.index",
        "other-3000.index",
        "best/model.ckpt-4000.index",
    ]
    for name in not_complete_checkpoints_of_a_run:
        touch(str(tmp_path / name))
    expected = [str(tmp_path / f"model.ckpt-{step}") for step in (9, 10, 200)]
    assert checkpoint.all_of(str(tmp_path)) == expected
    assert checkpoint.newest(str(tmp_path)) == expected[-1]


def test_newest_checkpoint_is_found_beside_a_damaged_state_file(tmp_path):
    touch(str(tmp_path / "model.ckpt-7.index"))
    (tmp_path / "checkpoint").write_bytes(b"\xff\x00 damaged")
    assert checkpoint.newest(str(tmp_path)) == str(tmp_path / "model.ckpt-7")


def test_empty_or_missing_directory_has_no_checkpoint(tmp_path):
    touch(str(tmp_path / "file"))
    for path in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        assert checkpoint.newest(str(path)) is None
        assert checkpoint.all_of(str(path)) == []


@pytest.mark.parametrize(
    "path, step",
    [
        ("model.ckpt-0", 0),
        ("a-7/model.ckpt-120", 120),
        ("/x/best/model.ckpt-42", 42),
        ("mine-3", 3),
    ],
)
def test_step_is_the_number_at_the_end_of_the_path(path, step):
    assert checkpoint.step_of(path) == step


@pytest.mark.parametrize(
    "path", ["model.ckpt", "model.ckpt-", "model.ckpt-3.index", "a-7/model.ckpt", ""]
)
def test_path_without_a_step_is_refused(path):
    with pytest.raises(DataError) as error:
        checkpoint.step_of(path)
    one_line(error, path, "not a checkpoint", "model.ckpt-1000")


# -- restore ---------------------------------------------------------------------------------------


def test_restores_the_saved_values(saved):
    found = restore(saved, SHAPES)
    np.testing.assert_array_equal(found["top/w"], W)
    np.testing.assert_array_equal(found["top/b"], B)


def test_restores_some_of_the_variables(saved):
    np.testing.assert_array_equal(restore(saved, {"top/b": SHAPES["top/b"]})["top/b"], B)


def test_float16_is_restored_into_float32_only(tmp_path):
    half = np.linspace(-3, 3, W.size).reshape(W.shape).astype(np.float16)
    path = write(tmp_path, {"top/w": half, "top/b": B.astype(np.float16)}, 3)
    found = restore(path, {"top/w": SHAPES["top/w"]})["top/w"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, half.astype(np.float32))
    with pytest.raises(DataError) as error:
        restore(path, {"top/b": SHAPES["top/b"]})
    one_line(error, path, "float16", "int64")


@pytest.mark.parametrize(
    "wanted, parts",
    [
        (
            {"top/w": ([3, 4], tf.float32), "bottom/w": ([2], tf.float32)},
            ["no variable bottom/w", "--bottom"],
        ),
        ({"top/w": ([4, 3], tf.float32)}, ["variable top/w", "[3, 4]", "[4, 3]", "--bottom"]),
        ({"top/w": ([12], tf.float32)}, ["variable top/w", "[3, 4]", "[12]"]),
        ({"top/b": ([3], tf.int32)}, ["variable top/b", "int64", "int32"]),
        ({"top/b": ([], tf.int64)}, ["variable top/b", "[3]", "[]"]),
    ],
    ids=["missing", "transposed", "flat", "dtype", "scalar"],
)
def test_checkpoint_of_another_network_is_refused(saved, wanted, parts):
    with pytest.raises(DataError) as error:
        restore(saved, wanted)
    one_line(error, saved, *parts)


@pytest.mark.parametrize(
    "suffix, least",
    [
        (".index", 40),  # TensorFlow raises a bare IndexError for some of these bytes
        (".data-00000-of-00001", 72),  # every byte of the values
    ],
)
def test_any_flipped_byte_is_refused_or_harmless(copied, suffix, least):
    with open(copied + suffix, "rb") as file:
        whole = file.read()
    refused = 0
    with tf.Graph().as_default(), tf.Session() as session:
        variables = zeros(SHAPES)
        initialize = tf.variables_initializer(list(variables.values()))
        for position in range(len(whole)):
            flipped = bytes([whole[position] ^ 0x55])
            with open(copied + suffix, "wb") as file:
                file.write(whole[:position] + flipped + whole[position + 1 :])
            session.run(initialize)
            try:
                checkpoint.restore(session, variables, copied)
            except DataError as error:
                assert copied in str(error)
                assert "\n" not in str(error)
                refused += 1
            else:
                found = session.run(variables)
                np.testing.assert_array_equal(found["top/w"], W)
                np.testing.assert_array_equal(found["top/b"], B)
    assert refused >= least


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [0, 1, 30, -1])
def test_truncated_file_is_refused(copied, suffix, size):
    with open(copied + suffix, "rb") as file:
        whole = file.read()
    with open(copied + suffix, "wb") as file:
        file.write(whole[:size])
    with pytest.raises(DataError) as error:
        restore(copied, SHAPES)
    one_line(error, copied, "cannot be read")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content",
    [b"not a checkpoint\nat all\n" * 9, b"\x00" * 500, None],
    ids=["text", "zeros", "missing"],
)
def test_replaced_or_missing_file_is_refused(copied, suffix, content):
    os.remove(copied + suffix)
    if content is not None:
        with open(copied + suffix, "wb") as file:
            file.write(content)
    with pytest.raises(DataError) as error:
        restore(copied, SHAPES)
    one_line(error, copied, "cannot be read")


# -- save ------------------------------------------------------------------------------------------


def test_save_below_a_file_is_refused(tmp_path):
    touch(str(tmp_path / "file"))
    with pytest.raises(DataError) as error:
        write(tmp_path / "file" / "run", {"top/b": B}, 17)
    one_line(error, tmp_path / "file" / "run", "step 17")


def test_full_disk_is_reported_in_one_line(tmp_path):
    class FullDisk:
        def save(self, *args, **options):
            message = "No space left on device\n\nmany more lines"
            raise tf.errors.ResourceExhaustedError(None, None, message)

    with pytest.raises(DataError) as error:
        checkpoint.save(FullDisk(), None, str(tmp_path), 5)
    one_line(error, tmp_path, "step 5", "No space left on device", "free some space")


@pytest.mark.parametrize(
    "keep, expected", [(1, [9]), (2, [7, 9]), (3, [5, 7, 9]), (9, [3, 5, 7, 9])]
)
def test_save_removes_only_older_checkpoints(tmp_path, keep, expected):
    others = ["model.ckpt-3.meta", "model.ckpt-5.index.tempstate1", "mine-3.index"]
    others.append("model.ckpt-x.index")
    for name in others:
        touch(str(tmp_path / name))
    with tf.Graph().as_default(), tf.Session() as session:
        variables = zeros(SHAPES)
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(variables)
        for step in (3, 5, 7, 9):
            checkpoint.save(saver, session, str(tmp_path), step, keep)
    paths = [str(tmp_path / f"model.ckpt-{step}") for step in expected]
    assert checkpoint.all_of(str(tmp_path)) == paths
    parts = [os.path.basename(path) + suffix for path in paths for suffix in SUFFIXES]
    assert sorted(os.listdir(tmp_path)) == sorted(["checkpoint", *parts, *others])
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert state.model_checkpoint_path == paths[-1]
    assert list(state.all_model_checkpoint_paths) == paths


def test_saved_checkpoint_replaces_one_of_a_later_step(tmp_path):
    # The later one can be left from before a fallback to an older checkpoint.
    write(tmp_path, {"b": B}, 9, 4)
    assert checkpoint.all_of(str(tmp_path)) == [str(tmp_path / "model.ckpt-4")]


@pytest.mark.parametrize(
    "message",
    [
        "lost\nmore",
        "Graph execution error:\n\nDetected at node 'a'\nNode: 'a'\nlost\nmore",
        "Graph execution error:\n\n========\nlost\nmore",
    ],
)
def test_the_first_line_of_an_error_says_what_happened(message):
    assert checkpoint.first_line(tf.errors.UnavailableError(None, None, message)) == "lost"

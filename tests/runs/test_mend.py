import errno
import os
import shutil

import pytest

from helpers import one_line, touch
from mtl import checkpoint
from mtl.errors import DataError
from mtl.runs import mend, verify
from tests.run_directories import fingerprint, saved_steps

INDEX, DATA = "index", "data-00000-of-00001"
OTHER_STATE = "checkpoint does not name {}, the newest checkpoint; continuing from that one"


def mended(directory):
    """Mend a directory; return the warnings."""
    said = []
    mend.mend(str(directory), said.append)
    return said


def names(directory):
    """Return the relative paths of all files."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix() for path in paths}


def flip_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def test_changes_nothing_in_a_whole_or_missing_directory(directory, tmp_path):
    before = fingerprint(directory)
    assert mended(directory) == [] and fingerprint(directory) == before
    assert mended(tmp_path / "absent") == [] and not (tmp_path / "absent").exists()


# -- files of killed saves -------------------------------------------------------------------------


def test_removes_files_of_killed_saves_only(directory):
    before = names(directory)
    killed = [
        f"model.ckpt-11.{DATA}",
        "model.ckpt-11.index.tempstate123",
        f"model.ckpt-11.{DATA}.tempstate77",
        "checkpoint.tmp0a1b",
        "metrics.jsonl.tmp",
        "config.json.tmp",
        "flags.flags.tmp",
        "versions.json.tmp",
        "monitor.json.tmp",
        "best/checkpoint.tmp9",
        f"best/model.ckpt-5.{DATA}",
    ]
    others = [
        "notes.tmp",
        "mine.tempstate12",
        "model.ckpt-x.index",
        f"my-model.ckpt-11.{DATA}",
        "model.ckpt-11.meta",
    ]
    for name in killed + others:
        touch(str(directory / name))
    assert mended(directory) == []
    assert names(directory) == before | set(others)


def test_removes_all_but_the_newest_checkpoints(directory):
    for folder, step in [(directory, 3), (directory, 4), (directory / "best", 1)]:
        for suffix in (INDEX, DATA):
            source = directory / "best" / f"model.ckpt-3.{suffix}"
            shutil.copy(source, folder / f"model.ckpt-{step}.{suffix}")
    assert mended(directory) == []
    assert saved_steps(directory) == [5, 9] and saved_steps(directory / "best") == [3]


# -- damaged checkpoints ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [INDEX, DATA])
def test_damaged_newest_is_set_aside(directory, suffix):
    flip_bit(directory / f"model.ckpt-9.{suffix}")
    (warning,) = mended(directory)
    assert warning.startswith(f"warning: {directory}/model.ckpt-9: cannot be read (")
    assert f"continuing from {directory}/model.ckpt-5" in warning and "\n" not in warning
    assert saved_steps(directory) == [5]
    aside = {name for name in names(directory) if name.startswith("damaged-")}
    assert aside == {f"damaged-model.ckpt-9.{INDEX}", f"damaged-model.ckpt-9.{DATA}"}
    after = fingerprint(directory)
    assert mended(directory) == [f"warning: {directory}/{OTHER_STATE.format('model.ckpt-5')}"]
    assert fingerprint(directory) == after


def test_two_damaged_are_set_aside_for_a_third(directory):
    for suffix in (INDEX, DATA):
        shutil.copy(directory / "best" / f"model.ckpt-3.{suffix}", directory)
    for step in (5, 9):
        (directory / f"model.ckpt-{step}.{DATA}").write_bytes(b"")
    assert len(mended(directory)) == 2 and saved_steps(directory) == [3]


def test_does_not_start_over_if_all_are_damaged(directory):
    for step in (5, 9):
        flip_bit(directory / f"model.ckpt-{step}.{DATA}")
    before = fingerprint(directory)
    with pytest.raises(DataError) as error:
        mended(directory)
    what = f"{directory}: none of its checkpoints can be read (model.ckpt-9: "
    one_line(error, what, "model.ckpt-5: ", "--model_dir")
    assert fingerprint(directory) == before


def test_newest_without_index_is_set_aside_not_removed(directory):
    """Its data may be all that is left of hours of training."""
    (directory / "model.ckpt-9.index").unlink()
    content = (directory / f"model.ckpt-9.{DATA}").read_bytes()
    (warning,) = mended(directory)
    assert "model.ckpt-9: cannot be read (no file model.ckpt-9.index); set aside as " in warning
    assert (directory / f"damaged-model.ckpt-9.{DATA}").read_bytes() == content
    assert saved_steps(directory) == [5]


def test_older_one_without_index_stays_until_the_next_save(directory):
    (directory / "model.ckpt-5.index").unlink()
    before = fingerprint(directory)
    assert mended(directory) == [] and fingerprint(directory) == before
    assert saved_steps(directory) == [9]


def test_does_not_start_over_if_all_lost_their_index(directory):
    for step in (5, 9):
        (directory / f"model.ckpt-{step}.index").unlink()
    before = fingerprint(directory)
    with pytest.raises(DataError) as error:
        mended(directory)
    reasons = "model.ckpt-9: no file model.ckpt-9.index; model.ckpt-5: no file"
    one_line(error, f"none of its checkpoints can be read ({reasons}")
    assert fingerprint(directory) == before


def test_unreadable_checkpoint_is_not_set_aside(directory, monkeypatch):
    def denied(path):
        raise DataError(f"{path}: cannot be read")

    before = fingerprint(directory)
    monkeypatch.setattr(verify, "damage", denied)
    with pytest.raises(DataError, match="model.ckpt-9: cannot be read"):
        mended(directory)
    assert fingerprint(directory) == before


def test_file_that_cannot_be_changed(directory, monkeypatch):
    def denied(path, other):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    flip_bit(directory / f"model.ckpt-9.{DATA}")
    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(DataError) as error:
        mended(directory)
    one_line(error, directory, "cannot be changed (Permission denied); make it writable")


# -- best weights, the state file and metrics ------------------------------------------------------


@pytest.mark.parametrize("lost", ["model.ckpt-3.index", "."])
def test_missing_best_weights_are_reported(directory, lost):
    path = directory / "best" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = fingerprint(directory)
    (warning,) = mended(directory)
    what = "the best weights are missing; the next better evaluation"
    assert warning.startswith(f"warning: {directory}/best: {what}")
    assert fingerprint(directory) == before


def test_no_best_weights_are_missing_if_no_evaluation_has_a_score(directory):
    shutil.rmtree(directory / "best")
    (directory / "metrics.jsonl").write_text('{"step": 3, "score": null}\n')
    assert mended(directory) == []


def test_best_weights_without_data_stay(directory):
    (directory / "best" / f"model.ckpt-3.{DATA}").unlink()
    before = fingerprint(directory)
    assert mended(directory) == [] and fingerprint(directory) == before


@pytest.mark.parametrize("lines", [None, "", '{"step": 5}\n{"step": 9}\n'])
def test_best_weights_without_evaluation_are_set_aside(directory, lines):
    """The next evaluation would count as better and replace them."""
    metrics = directory / "metrics.jsonl"
    if lines is None:
        metrics.unlink()
    else:
        metrics.write_text(lines)
    (directory / "damaged-best").mkdir()
    aside = directory / "damaged-best-1"
    content = (directory / "best" / "model.ckpt-3.index").read_bytes()
    lost = "metrics.jsonl has no evaluation of its step 3"
    assert f"warning: {directory}/best: {lost}; set aside as {aside}" in mended(directory)
    assert not (directory / "best").exists()
    assert (aside / "model.ckpt-3.index").read_bytes() == content


def test_best_weights_of_the_newest_step_stay(directory):
    """A kill between the save of the best weights and that of the metrics leaves them so."""
    (directory / "metrics.jsonl").write_text('{"step": 5}\n')
    for suffix in (INDEX, DATA):
        path = directory / "best" / f"model.ckpt-3.{suffix}"
        path.rename(directory / "best" / f"model.ckpt-9.{suffix}")
    assert mended(directory) == [] and (directory / "best" / "model.ckpt-9.index").exists()


OLDER = b'model_checkpoint_path: "/elsewhere/model.ckpt-5"\n'


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff garbage", OLDER])
def test_state_file_is_not_trusted(directory, content):
    state = directory / "checkpoint"
    state.unlink()
    if content is not None:
        state.write_bytes(content)
    assert mended(directory) == [f"warning: {directory}/{OTHER_STATE.format('model.ckpt-9')}"]
    assert checkpoint.newest(str(directory)) == str(directory / "model.ckpt-9")


def test_damaged_metrics_are_copied(directory):
    metrics, copy = directory / "metrics.jsonl", directory / "damaged-metrics.jsonl"
    metrics.write_text('{"step": 3}\n{"st\n{"step": 9}\n')
    damaged = metrics.read_bytes()
    dropped = f"later evaluations are dropped, {copy} has them"
    assert mended(directory) == [f"warning: {metrics}: line 2 is damaged; {dropped}"]
    assert copy.read_bytes() == damaged


def test_closed_pipe_is_not_reported_as_a_file(directory):
    def say(text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    shutil.rmtree(directory / "best")
    with pytest.raises(BrokenPipeError):
        mend.mend(str(directory), say)

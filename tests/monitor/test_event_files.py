import os
import tracemalloc

import pytest
import tensorflow.compat.v1 as tf

from mtl.monitor import event_files


def event(step, **value):
    """Return an event with one value, serialized."""
    summary = tf.Summary(value=[tf.Summary.Value(tag="cost", **value)])
    return tf.Event(step=step, summary=summary).SerializeToString()


def written(directory, *steps, name="0000000000"):
    """Write an event file with a scalar for each step; return its path."""
    path = directory / f"{event_files.PREFIX}{name}"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.Event(file_version="brain.Event:2").SerializeToString())
        for step in steps:
            writer.write(event(step, simple_value=step))
    return path


def steps_of(path):
    """List the steps of the events of a file, without the header."""
    records = tf.io.tf_record_iterator(str(path))
    steps = [tf.Event.FromString(record).step for record in records]
    return [step for step in steps if step]


def snapshot(directory):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in directory.iterdir()
    }


def cut(directory, step):
    """Cut the event files of a directory; return the warnings."""
    said = []
    event_files.cut(str(directory), step, said.append)
    return said


# -- write -----------------------------------------------------------------------------------------


def test_new_file_replaces_no_other(tmp_path):
    """A run killed at the step that it continued from has a file of that step already."""
    earlier = written(tmp_path, 4, name="0000000004")
    for suffix in ("-1", "-2"):
        writer = event_files.Writer(str(tmp_path), 4)
        writer.write(5, summary=tf.Summary())
        writer.close()
        assert writer.path == f"{earlier}{suffix}" and os.path.exists(writer.path)
    assert steps_of(earlier) == [4]


# -- cut -------------------------------------------------------------------------------------------


def test_cuts_what_is_later_than_the_step(tmp_path):
    first = written(tmp_path, 2, 4, 6, 8)
    second = written(tmp_path, 5, 7, name="0000000004")
    assert cut(tmp_path, 6) == []
    assert steps_of(first) == [2, 4, 6] and steps_of(second) == [5]


def test_removes_files_without_values_and_keeps_whole_ones_untouched(tmp_path):
    written(tmp_path, 2, 4)
    (tmp_path / "model.ckpt-5.index").write_bytes(b"x")
    before = snapshot(tmp_path)
    written(tmp_path, 5, name="0000000004")
    assert cut(tmp_path, 4) == []
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("tail", [b"\x07", b"\0" * 40, b"\xff" * 200])
def test_cuts_off_a_damaged_end(tail, tmp_path):
    path = written(tmp_path, 2, 4)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert cut(tmp_path, 9) == []
    assert path.read_bytes() == whole


def test_cuts_off_from_a_record_that_is_not_an_event(tmp_path):
    path = written(tmp_path, 2)
    whole = path.read_bytes()
    with tf.io.TFRecordWriter(str(tmp_path / "other")) as writer:
        writer.write(b"\xff\xff")
        writer.write(event(3, simple_value=3.0))
    path.write_bytes(whole + (tmp_path / "other").read_bytes())
    assert cut(tmp_path, 9) == []
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["1700000000.host", "1700000000.host.1.0.v2", "12345678901"])
def test_files_of_other_programs_stay(tmp_path, name):
    written(tmp_path, 2, 99, name=name)
    (tmp_path / f"{event_files.PREFIX}empty").write_bytes(b"")
    before = snapshot(tmp_path)
    assert cut(tmp_path, 9) == []
    assert snapshot(tmp_path) == before


def test_missing_directory_has_nothing_to_cut(tmp_path):
    assert cut(tmp_path / "none", 9) == []


def test_pipes_and_folders_stay(tmp_path):
    os.mkfifo(tmp_path / f"{event_files.PREFIX}0000000000")
    (tmp_path / f"{event_files.PREFIX}0000000001").mkdir()
    assert cut(tmp_path, 9) == []
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("record", [None, b"\xff\xff"])
def test_file_that_holds_no_events_stays(tmp_path, record):
    path = tmp_path / f"{event_files.PREFIX}0000000000"
    if record is None:
        path.write_bytes(b"not events at all, but long enough for a record")
    else:
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(record)
    before = snapshot(tmp_path)
    (warning,) = cut(tmp_path, 9)
    assert warning.startswith(f"warning: {path}: cannot be read (")
    assert warning.endswith("); it is not changed")
    assert snapshot(tmp_path) == before


class Broken:
    """A record iterator that fails after one record, from a given call on."""

    def __init__(self, error, first_failing_call):
        self._error, self._first_failing_call, self._calls = error, first_failing_call, 0
        self._read = tf.io.tf_record_iterator

    def __call__(self, path):
        self._calls += 1
        for record in self._read(path):
            yield record
            if self._calls >= self._first_failing_call:
                raise self._error


UNAVAILABLE = tf.errors.UnavailableError(None, None, "Input/output error")


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), UNAVAILABLE])
def test_file_that_cannot_be_read_now_stays(call, error, tmp_path, monkeypatch):
    path = written(tmp_path, 2, 4, 6)
    before = snapshot(tmp_path)
    monkeypatch.setattr(tf.io, "tf_record_iterator", Broken(error, call))
    (warning,) = cut(tmp_path, 3)
    assert str(path) in warning
    assert "Permission denied" in warning or "Input/output error" in warning
    assert snapshot(tmp_path) == before


def test_memory_holds_one_record_at_a_time(tmp_path):
    path = tmp_path / f"{event_files.PREFIX}0000000000"
    image = tf.Summary.Image(encoded_image_string=os.urandom(100_000))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for step in range(1, 201):
            writer.write(event(step, image=image))
    size = path.stat().st_size
    tracemalloc.start()
    try:
        assert cut(tmp_path, 199) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert steps_of(path) == list(range(1, 200))
    assert peak < size / 20, f"{peak} bytes of memory for a file of {size}"

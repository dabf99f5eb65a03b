"""TensorBoard event files: write one, and cut those of a run back to the step it continues from.

The training thread writes and flushes each record, so that a failed write can be reported, and a
killed run leaves at most one incomplete record.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.runs import files

PREFIX = "events.out.tfevents."  # TensorBoard looks for "tfevents" in a name
# The names of other programs also contain the host name.
_OURS = re.compile(re.escape(PREFIX) + r"\d{10}(-\d+)?")
_FRAME = 16  # bytes around a record: its length and two checksums


class Writer:
    """An open event file. Its methods raise OSError or tf.errors.OpError if writing fails."""

    def __init__(self, directory: str, first: int):
        """Open a new file in a run directory; first: the step that the run continues from."""
        self.path = files.free(os.path.join(directory, f"{PREFIX}{first:010d}"))
        self._records = tf.io.TFRecordWriter(self.path)
        self.write(first, file_version="brain.Event:2")

    def write(self, step: int, **content: Any) -> None:
        """Write one event; content: a field of tf.Event."""
        event = tf.Event(wall_time=time.time(), step=step, **content)
        self._records.write(event.SerializeToString())
        self._records.flush()

    def close(self) -> None:
        """Close the file."""
        self._records.close()


def cut(directory: str, step: int, say: Callable[[str], Any]) -> None:
    """Cut the event files of a run directory back to a step.

    A file without values up to that step is removed. A damaged end is cut off. Files of other
    programs and files that cannot be read are not changed. Only one record is in memory at a time.

    Args:
      directory: str; it may be missing.
      step: int, the last step to keep.
      say: function str -> None, called with a warning for each file that cannot be read.

    Raises:
      OSError, tf.errors.OpError: a file cannot be written.
    """
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    for name in filter(_OURS.fullmatch, names):
        path = os.path.join(directory, name)
        if not os.path.isfile(path):
            continue  # opening a pipe would block
        try:
            _cut_file(path, step)
        except _UnreadableError as error:
            say(f"warning: {path}: cannot be read ({error}); it is not changed")


class _UnreadableError(Exception):
    """An event file cannot be read, or is not one; the message is the reason."""


class _Kept(NamedTuple):
    """The part of a file up to a step."""

    size: int  # bytes
    has_values: bool


def _cut_file(path, step):
    kept = _survey(path, step)
    if not kept.has_values:
        os.remove(path)
    elif kept.size < os.path.getsize(path):
        with files.whole(path) as unfinished, tf.io.TFRecordWriter(unfinished) as writer:
            for record, event in _read(path):
                if event.step <= step:
                    writer.write(record)


def _survey(path, step):
    size, has_values = 0, False
    for record, event in _read(path):
        if event.step <= step:
            size += len(record) + _FRAME
            has_values = has_values or event.HasField("summary")
    return _Kept(size, has_values)


def _read(path) -> Iterator[tuple[bytes, Any]]:
    """Yield (record, tf.Event) for each record, up to the end of the file or its first damage.

    Raises:
      _UnreadableError: the system cannot read the file, or its first record is not an event.
    """
    count = 0
    try:
        for record in tf.io.tf_record_iterator(path):
            yield record, _parse(record)
            count += 1
    except tf.errors.DataLossError as error:
        if count == 0:
            raise _UnreadableError(checkpoint.first_line(error)) from error
    except (OSError, tf.errors.OpError) as error:
        raise _UnreadableError(checkpoint.first_line(error)) from error


def _parse(record):
    """Return a record as a tf.Event; raise DataLossError if it is not one."""
    try:
        return tf.Event.FromString(record)
    except Exception as error:  # compat.v1 has no name for protobuf's DecodeError
        raise tf.errors.DataLossError(None, None, "not an event file") from error

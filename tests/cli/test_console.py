"""Progress lines on a stderr that takes none, notices, and the start of TensorFlow."""

import errno
import io
import os
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

from mtl.cli import console
from mtl.config import Config
from mtl.data import registry
from mtl.errors import UsageError


class Closed:
    """A stream that raises an error at each write."""

    def __init__(self, error):
        self._error = error

    def write(self, text):
        raise self._error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_failed_progress_line_is_ignored(monkeypatch, number):
    monkeypatch.setattr(sys, "stderr", Closed(OSError(number, "no")))
    console.say("step 3")


def test_broken_pipe_ends_the_command(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Closed(BrokenPipeError()))
    with pytest.raises(BrokenPipeError):
        console.say("step 3")


class Terminal(io.StringIO):
    """A stream that acts as a terminal."""

    def isatty(self):
        return True


def test_notice_is_shown_only_on_a_terminal(monkeypatch):
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe, None):
        monkeypatch.setattr(sys, "stderr", stream)
        console.notice("drawing ...")
    assert (terminal.getvalue(), pipe.getvalue()) == ("drawing ...\n", "")


@pytest.mark.parametrize(
    "fields, notice",
    [
        ({}, ""),
        ({"dataset": "npz", "data_dir": "data"}, "reading npz, train ...\n"),
    ],
)
def test_training_data_has_a_notice_if_it_reads_a_split(monkeypatch, fields, notice):
    monkeypatch.setattr(registry, "opened", lambda config, run, part: (config, run))
    config = Config(**fields)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert console.opened(config, "run") == (config, "run")
    assert sys.stderr.getvalue() == notice


# -- the start of TensorFlow -----------------------------------------------------------------------

SCRIPT = """
from mtl.cli import console
console.start_tensorflow()
import tensorflow.compat.v1 as tf
with tf.Session() as session:
    print(session.run(tf.constant(7)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_script_hides_the_messages_of_tensorflow_but_shows_that_it_starts():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    ours, terminal = os.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env=environment,
        timeout=120,
    )
    shown = os.read(ours, 4096)
    os.close(ours)
    os.close(terminal)
    assert (done.returncode, done.stdout) == (0, b"7\n"), shown
    assert shown == b"starting TensorFlow ...\r\n"


def test_start_does_no_harm_if_tensorflow_is_imported(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.setattr(sys, "stderr", Terminal())  # no notice: nothing takes long
    before = tf.logging.get_verbosity()
    try:
        for _ in range(2):
            console.start_tensorflow()
        assert tf.logging.get_verbosity() == tf.logging.ERROR
    finally:
        tf.logging.set_verbosity(before)
    os.write(2, b"shown again\n")
    assert capfd.readouterr().err == "shown again\n"
    assert sys.stderr.getvalue() == ""
    with tf.Graph().as_default(), tf.Session() as session:
        assert session.run(tf.constant(7)) == 7


def test_start_works_without_stderr(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.setattr(sys, "stderr", None)
    before = tf.logging.get_verbosity()
    console.start_tensorflow()
    tf.logging.set_verbosity(before)


@pytest.mark.parametrize(
    "error, code, message",
    [
        (UsageError("no lesson"), 1, "mtl.lessons: no lesson\n"),
        (KeyboardInterrupt(), 130, "mtl.lessons: interrupted\n"),
    ],
)
def test_a_module_that_fails_ends_in_one_line(capsys, error, code, message):
    def main(arguments):
        raise error

    with pytest.raises(SystemExit) as ended:
        console.run_module("mtl.lessons", main)
    assert ended.value.code == code and capsys.readouterr().err == message

"""Progress lines on a stderr that takes none."""

import errno
import sys

import pytest

from mtl.cli import console


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

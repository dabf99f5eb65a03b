"""Exit codes are a contract: scripts that call the commands depend on them."""

import os
import signal

import pytest

from mtl import errors

ERRORS = [
    (errors.UsageError("--steps=0"), 1),
    (errors.MtlError("a worker process ended"), 2),
    (errors.DataError("x.png: no such file"), 2),
    (errors.NoExamplesError("test: no examples"), 2),
    (errors.NotFiniteError("task digit3: nan at step 7"), 3),
    (errors.Interrupted("stopped at step 9", signal.SIGINT), 130),
    (errors.Interrupted("stopped at step 9", signal.SIGTERM), 143),
]


@pytest.mark.parametrize("error, code", ERRORS)
def test_error_has_its_exit_code_and_message(error, code):
    assert isinstance(error, errors.MtlError)
    assert type(error.exit_code) is int
    assert error.exit_code == code
    assert str(error) == error.args[0]


def test_interruption_does_not_change_the_exit_code_of_other_errors():
    errors.Interrupted("one", signal.SIGINT)
    assert errors.MtlError("another").exit_code == 2
    assert errors.Interrupted("two", signal.SIGTERM).exit_code == 143


@pytest.mark.parametrize(
    "path, shown",
    [
        ("a b/[1] $x.png", "a b/[1] $x.png"),
        ("二重/चित्र/Größe\u202fPM.png", "二重/चित्र/Größe\u202fPM.png"),  # no-break space of macOS
        ("a\nb\r\tc.png", r"a\nb\r\tc.png"),
        ("\x1b[31m\0\x7f\x9b.png", r"\x1b[31m\x00\x7f\x9b.png"),
        ("a\u2028b\u2029\x85.png", r"a\u2028b\u2029\x85.png"),
        (os.fsdecode(b"gr\xfcn.png"), r"gr\udcfcn.png"),
    ],
)
def test_path_is_shown_as_one_printable_line(path, shown):
    assert errors.shown(path) == shown
    assert len(shown.splitlines()) == 1 and shown.encode()

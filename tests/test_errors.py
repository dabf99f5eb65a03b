"""The exit codes are a contract: scripts that call the commands tell the cases apart by them."""

import signal

import pytest

from mtl import errors


@pytest.mark.parametrize(
    "error, code",
    [
        (errors.UsageError("--steps=0"), 1),
        (errors.MtlError("a worker was ended"), 2),
        (errors.DataError("x.png: no such file"), 2),
        (errors.NoExamplesError("test: no example"), 2),
        (errors.NotFiniteError("task digit3: nan at step 7"), 3),
        (errors.Interrupted("stopped at step 9", signal.SIGINT), 130),
        (errors.Interrupted("stopped at step 9", signal.SIGTERM), 143),
    ],
    ids=lambda value: getattr(type(value), "__name__", None),
)
def test_exit_codes(error, code):
    assert error.exit_code == code
    assert isinstance(error.exit_code, int)


def test_one_except_clause_catches_them_all_and_shows_the_message():
    for cls in (errors.UsageError, errors.DataError, errors.NoExamplesError, errors.NotFiniteError):
        with pytest.raises(errors.MtlError) as caught:
            raise cls("file: what, and the cure")
        assert str(caught.value) == "file: what, and the cure"
    with pytest.raises(errors.MtlError) as caught:
        raise errors.Interrupted("saved", signal.SIGTERM)
    assert str(caught.value) == "saved"


def test_an_interruption_leaves_the_exit_code_of_the_others_alone():
    errors.Interrupted("one", signal.SIGINT)
    assert errors.MtlError("another").exit_code == 2
    assert errors.Interrupted("two", signal.SIGTERM).exit_code == 143

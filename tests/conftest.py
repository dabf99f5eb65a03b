"""What tests of several folders share."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read once, when TensorFlow is first imported


@pytest.fixture
def command(capsys):
    """A function (*arguments) -> (exit code, stdout, stderr) that runs a command in this process."""
    from mtl.cli.main import run

    def run_command(*arguments):
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture
def refused(command):
    """A function (exit code, *arguments) -> the one line on stderr of a command that must fail so, printing no result."""

    def fails(expected, *arguments):
        code, out, err = command(*arguments)
        assert (code, out) == (expected, ""), err
        assert err.count("\n") == 1 and err.endswith("\n"), err
        assert "Traceback" not in err
        return err

    return fails


@pytest.fixture(scope="module")
def coarse():
    """Let the mlp of a module's tests see every fifth pixel, so that what it saves is small."""
    from mtl import bottoms

    whole = bottoms.mlp
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            bottoms, "mlp", lambda images, **settings: whole(images[:, ::5, ::5], **settings)
        )
        yield

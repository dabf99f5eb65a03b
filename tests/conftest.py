"""Fixtures that tests of several folders share."""

import gc
import os
import signal
import threading

import pytest

from mtl import machine

# TensorFlow reads them when it is first imported. So all commands have the same settings, in this
# process and in others.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
machine.configure()

# Graphs are many objects that live long. Fewer collections save a twentieth of the time.
gc.set_threshold(50_000, 20, 20)


@pytest.fixture
def command(capsys):
    """A function (*arguments) -> (exit code, stdout, stderr) that runs a command in-process."""
    from mtl.cli.main import run

    def run_command(*arguments):
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture
def refused(command):
    """A function (exit code, *arguments) -> the line on stderr of a command that must fail."""

    def fails(expected, *arguments):
        code, out, err = command(*arguments)
        assert (code, out) == (expected, ""), err
        assert err.count("\n") == 1 and err.endswith("\n"), err
        assert "Traceback" not in err
        return err

    return fails


@pytest.fixture
def coarse(monkeypatch):
    """Let the bottoms mlp and small see fewer pixels: see toy_runs.coarse_mlp."""
    from mtl import bottoms
    from tests import toy_runs

    monkeypatch.setattr(bottoms, "mlp", toy_runs.coarse_mlp)
    monkeypatch.setattr(bottoms, "small", toy_runs.coarse_small)


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """The directory of a toy run that nothing interrupted. Read only."""
    from mtl import bottoms
    from tests import toy_runs

    directory = tmp_path_factory.mktemp("reference")
    records = {"flags.flags": "--steps=12\n", "versions.json": "{}\n"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bottoms, "mlp", toy_runs.coarse_mlp)
        result, messages = toy_runs.run(directory, records=records)
    assert result["step"] == 12
    assert len(messages) == 3
    assert all("sequence accuracy" in message for message in messages)
    return directory


@pytest.fixture
def nothing_left():
    """Assert after a test that the prefetch thread is gone and signals are handled as before."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "prefetch"] == []
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers

"""The entry: finding commands, help, errors as one line, exit codes."""

import errno
import json
import os
import re
import signal
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

import mtl
from mtl.cli import main
from mtl.errors import DataError, Interrupted, NotFiniteError

COMMANDS = {"train", "evaluate", "predict", "preview", "convert", "explain", "compare", "cluster"}
COMMANDS |= {"export", "serve"}


# -- find a command --------------------------------------------------------------------------------


def test_each_command_is_a_file_of_its_name():
    assert set(main.COMMANDS) == COMMANDS
    for name in COMMANDS:
        command = main.load(name)
        assert command.__name__ == f"mtl.cli.{name}"
        assert command.USAGE.startswith(f"mtl {name} ")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_overview_lists_the_commands(command, arguments):
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert set(re.findall(r"^  (\w+) +\w", out, re.MULTILINE)) == COMMANDS


def test_version(command):
    assert command("--version") == (0, f"mtl {mtl.__version__}\n", "")


@pytest.mark.parametrize(
    "typed, meant",
    [("trian", "train"), ("eval", "evaluate"), ("Predict", "predict"), ("prewiev", "preview")],
)
def test_unknown_command_suggests_the_nearest(refused, typed, meant):
    assert f"did you mean {meant}?" in refused(1, typed)


def test_unknown_command_without_a_near_one_lists_all(refused):
    line = refused(1, "qqq")
    assert "did you mean" not in line
    assert all(name in line for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_lists_each_flag_once_despite_wrong_flags(command, name):
    code, out, err = command(name, "--no_such_flag", "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: mtl {name} ")
    listed = re.findall(r"^  --(\w+)", out, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert {"only_check_args", "flagfile", "verbosity", "help"} < set(listed)


@pytest.mark.parametrize("name", ["--help", "-h"])
def test_file_after_two_dashes_is_no_request_for_help(command, name):
    code, out, err = command("predict", "--no_such_flag", "--", name)
    assert (code, out) == (1, "") and "--no_such_flag" in err


def test_two_commands_in_one_process_share_flag_names(command):
    flags = ["--model_dir=x", "--dataset=synthetic", "--only_check_args"]
    assert command("train", *flags)[0] == 0
    assert command("evaluate", *flags)[0] == 0
    assert command("train", "--only_check_args")[0] == 1, "flags of an earlier call are forgotten"


def test_only_check_args_runs_nothing(command, monkeypatch):
    monkeypatch.setattr(main.load("predict"), "main", None)
    assert command("predict", "--model_dir=x", "--only_check_args", "a.png") == (0, "", "")


# -- errors ----------------------------------------------------------------------------------------


@pytest.fixture
def failing(monkeypatch):
    """Return a function (error): `mtl predict` raises it from now on."""

    def fail_with(error):
        def fail(values, arguments):
            raise error

        monkeypatch.setattr(main.load("predict"), "main", fail)

    return fail_with


OOM = "OOM when allocating tensor with shape[9,9]\nand a hint"


@pytest.mark.parametrize(
    "error, code, text",
    [
        (DataError("f.png: broken; save it again"), 2, "f.png: broken; save it again"),
        (NotFiniteError("task digit2: loss is nan"), 3, "task digit2: loss is nan"),
        (Interrupted("saved at step 3", signal.SIGTERM), 143, "saved at step 3"),
        (Interrupted("saved at step 3", signal.SIGINT), 130, "saved at step 3"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 2, "out of memory; lower --batch_size"),
        (
            tf.errors.ResourceExhaustedError(None, None, OOM),
            2,
            "out of memory (OOM when allocating tensor with shape[9,9]); lower --batch_size",
        ),
        (OSError(errno.EMFILE, "Too many open files"), 2, "too many open files; raise the limit"),
        (OSError(errno.EMFILE, "Too many open files", "a.png"), 2, "too many open files; raise"),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
            2,
            "no temporary folder can be used; free space",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "output: No space left on device"),
        (PermissionError(13, "Permission denied", "runs/a"), 2, "runs/a: Permission denied"),
        (OSError("strange"), 2, "strange"),
        (OSError(errno.ENETDOWN, "Network is down"), 2, "Network is down"),
    ],
)
def test_error_of_the_user_is_one_line_and_an_exit_code(refused, failing, error, code, text):
    failing(error)
    assert refused(code, "predict", "--model_dir=x", "a.png").startswith(f"mtl predict: {text}")


def test_bug_is_raised(command, failing):
    failing(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        command("predict", "--model_dir=x", "a.png")


def test_run_leaves_the_signals_of_a_caller_alone(command):
    before = signal.getsignal(signal.SIGTERM)
    command("--version")
    assert signal.getsignal(signal.SIGTERM) is before


# -- as a process ----------------------------------------------------------------------------------

HEAVY = """
import json, sys
from mtl.cli.main import run
for arguments, expected in json.loads(sys.argv[1]):
    code = run(arguments)
    heavy = {"tensorflow", "PIL", "h5py", "tqdm"} & set(sys.modules)
    if code != expected or heavy:
        sys.exit(f"{arguments}: exit code {code}, imported {sorted(heavy)}")
"""


def test_help_and_flag_checks_import_nothing_heavy():
    """This keeps `mtl train --help` below half a second."""
    cases = [([], 0), (["--help"], 0), (["--version"], 0)]
    cases += [([name, "--help"], 0) for name in sorted(COMMANDS)]
    cases += [
        (["trian"], 1),
        (["train", "--stpes=3"], 1),
        (["train"], 1),
        (["evaluate", "--model_dir=x", "--split=tset"], 1),
        (["predict", "--only_check_args"], 0),
        (["explain", "--only_check_args"], 0),
        (["train", "--objective=list"], 0),
        (["train", "--model_dir=x", "--objective=stch", "--objective_options=mu:0"], 1),
    ]
    command = [sys.executable, "-c", HEAVY, json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_process_exits_with_the_code_of_its_command():
    command = [sys.executable, "-m", "mtl", "train"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mtl train: --model_dir is required")


@pytest.fixture
def closed_pipe():
    """Return the writing end of a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_closed_stdout_ends_silently(closed_pipe):
    command = [sys.executable, "-m", "mtl", "train", "--help"]
    done = subprocess.run(command, stdout=closed_pipe, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")

"""The entry: commands, help, exit codes."""

import errno
import os
import re
import signal
import subprocess
import sys

import pytest

import mtl
from mtl.cli import main, predict
from mtl.errors import DataError, Interrupted, NotFiniteError

COMMANDS = ["train", "evaluate", "predict", "preview", "convert", "explain"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_the_commands_are_listed(command, arguments):
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    for name in COMMANDS:
        assert len(re.findall(rf"^  {name} +\w", out, re.MULTILINE)) == 1


def test_version(command):
    assert command("--version") == (0, f"mtl {mtl.__version__}\n", "")


@pytest.mark.parametrize(
    "typed, meant",
    [("trian", "train"), ("eval", "evaluate"), ("Predict", "predict"), ("prewiev", "preview")],
)
def test_an_unknown_command_suggests_the_nearest(refused, typed, meant):
    assert f"did you mean {meant}?" in refused(1, typed)


def test_a_command_near_to_none_is_answered_with_the_list(refused):
    line = refused(1, "qqq")
    assert "did you mean" not in line
    assert all(name in line for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_the_flags_and_nothing_fails(command, name):
    code, out, err = command(name, "--no_such_flag", "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: mtl {name} ")
    listed = re.findall(r"^  --(\w+)", out, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert {"only_check_args", "flagfile", "verbosity", "help"} < set(listed)
    assert re.findall(r"^      \S", out, re.MULTILINE) == [
        "      " + line[6] for line in out.splitlines() if line.startswith("      ")
    ]


def test_two_commands_in_one_process_share_flag_names(command):
    assert command("train", "--model_dir=x", "--dataset=synthetic", "--only_check_args")[0] == 0
    assert command("evaluate", "--model_dir=x", "--dataset=synthetic", "--only_check_args")[0] == 0
    assert (
        command("train", "--only_check_args")[0] == 1
    )  # and the second parse of one command remembers nothing of the first


@pytest.mark.parametrize(
    "error, code",
    [
        (DataError("f.png: broken: save it anew"), 2),
        (NotFiniteError("task digit2: cross entropy is nan at step 7"), 3),
        (Interrupted("stopped and saved at step 3", signal.SIGTERM), 143),
        (Interrupted("stopped and saved at step 3", signal.SIGINT), 130),
        (KeyboardInterrupt(), 130),
        (PermissionError(13, "Permission denied", "runs/a"), 2),
        (OSError(28, "No space left on device"), 2),
        (MemoryError(), 2),
    ],
)
def test_what_a_command_raises_becomes_one_line_and_a_code(refused, monkeypatch, error, code):
    def fail(values, arguments):
        raise error

    monkeypatch.setattr(predict, "main", fail)
    line = refused(code, "predict", "--model_dir=x", "a.png")
    assert line.startswith("mtl predict: ")


def test_a_bug_is_not_dressed_up_as_a_mistake_of_the_user(command, monkeypatch):
    def fail(values, arguments):
        raise ValueError("a bug")

    monkeypatch.setattr(predict, "main", fail)
    with pytest.raises(ValueError, match="a bug"):
        command("predict", "--model_dir=x", "a.png")


def test_only_check_args_runs_nothing(command, monkeypatch):
    monkeypatch.setattr(predict, "main", None)
    assert command("predict", "--model_dir=x", "--only_check_args", "a.png") == (0, "", "")


# -- as processes ----------------------------------------------------------------------------------------------------------------


QUICK = [[], ["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
CHECKED = [
    ["trian"],
    ["train", "--stpes=3"],
    ["train"],
    ["evaluate", "--model_dir=x", "--split=tset"],
    ["predict", "--only_check_args"],
]


@pytest.mark.parametrize("arguments", QUICK + CHECKED, ids=" ".join)
def test_help_and_the_check_of_flags_import_nothing_heavy(arguments):
    # This is what makes them answer at once; how fast, is the machine's.
    code = (
        "import sys; from mtl.cli.main import run; code = run(sys.argv[1:]); "
        "print('heavy:', *sorted({'tensorflow', 'numpy', 'PIL', 'h5py', 'tqdm'} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy:" and "Traceback" not in done.stderr
    if arguments in QUICK:
        assert (done.returncode, done.stderr) == (0, "")


def test_nobody_reading_stdout_is_no_error_message():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mtl", "train", "--help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_the_process_ends_with_the_code_of_its_command():
    done = subprocess.run([sys.executable, "-m", "mtl", "train"], capture_output=True, text=True)
    assert (
        done.returncode == 1
        and done.stdout == ""
        and done.stderr.startswith("mtl train: --model_dir is required")
    )


def test_run_leaves_the_signals_of_a_caller_alone(command):
    before = signal.getsignal(signal.SIGTERM)
    command("--version")
    assert signal.getsignal(signal.SIGTERM) is before
    assert main.COMMANDS.keys() == set(COMMANDS)


@pytest.mark.parametrize(
    "error, told",
    [
        (
            OSError(errno.EMFILE, "Too many open files"),
            "too many open files; raise the limit with ulimit -n",
        ),
        (OSError(errno.EMFILE, "Too many open files", "a.png"), "too many open files; raise"),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
            "no temporary folder can be used; make room",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "output: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "a.png"), "a.png: Permission denied"),
        (OSError("strange"), "strange"),
        (OSError(errno.ENETDOWN, "Network is down"), "Network is down"),
    ],
)
def test_errors_of_the_system_name_what_they_are_about(refused, monkeypatch, error, told):
    def broken(values, arguments):
        raise error

    monkeypatch.setattr(main.COMMANDS["preview"], "main", broken)
    assert refused(2, "preview").startswith(f"mtl preview: {told}")

"""What a report tells of the run and of its commands: whatever lies in the run directory, it is told and ends nothing."""

import json
import os
import shlex

import pytest
from absl import flags as absl_flags

from mtl.cli import evaluate, flags, origin

FLAGS = "--bottom=small\n--data_dir=\n"
LINE = {"step": 10, "sequence_accuracy": 0.5}


def parsed(*arguments):
    values = absl_flags.FlagValues()
    evaluate.define(values)
    flags.define(values)
    flags.parse(values, ["evaluate", *arguments])
    return values


@pytest.fixture
def run(tmp_path):
    (tmp_path / "flags.flags").write_text(FLAGS)
    (tmp_path / "versions.json").write_text(json.dumps({"numpy": "1.26", "mtl": None}))
    (tmp_path / "metrics.jsonl").write_text(
        "".join(json.dumps({**LINE, "step": step}) + "\n" for step in (10, 20))
    )
    return tmp_path


def told(run):
    return origin.of(parsed(f"--model_dir={run}"), str(run))


def arguments_of(command):
    """Split a command as a shell does, to whom a backslash joins lines."""
    return shlex.split(command.replace("\\\n", ""))


def test_a_whole_run_is_told(run):
    got, evaluations = told(run)
    assert (got.name, got.flags, got.trained, got.troubles) == (
        str(run),
        FLAGS,
        {"numpy": "1.26", "mtl": "None"},
        [],
    )
    assert [line["step"] for line in evaluations] == [10, 20]
    assert {"mtl", "python", "tensorflow", "numpy", "platform", "processor"} <= set(got.here)
    assert arguments_of(got.evaluate) == ["mtl", "evaluate", f"--model_dir={run}"]
    assert arguments_of(got.train) == [
        "mtl",
        "train",
        f"--flagfile={run / 'flags.flags'}",
        "--model_dir=runs/again",
    ]


@pytest.mark.parametrize("name", ["flags.flags", "versions.json", "metrics.jsonl"])
def test_a_missing_file_is_told_of(run, name):
    (run / name).unlink()
    got, evaluations = told(run)
    assert got.troubles == [f"The run directory holds no {name}."]
    assert (not got.flags, not got.train, not got.trained, not evaluations) == tuple(
        name == each for each in ("flags.flags", "flags.flags", "versions.json", "metrics.jsonl")
    )


NESTED, LARGE = pytest.param(b"[" * 60_000, id="nested"), pytest.param(b"x" * 70_000, id="large")


@pytest.mark.parametrize("content", [b"\xff\xfe", NESTED, b"{", b"[1, 2]", b"null", LARGE])
def test_damaged_versions_are_told_of(run, content):
    (run / "versions.json").write_bytes(content)
    got, _ = told(run)
    assert (
        got.trained == {}
        and len(got.troubles) == 1
        and got.troubles[0].startswith("versions.json of the run ")
    )


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\n", NESTED, b"{}\n", b"[1]\n", b'{"step": "x"}\n', b'{"step": 3', b"7\n"]
)
def test_damaged_metrics_are_told_of_and_end_the_curves(run, content):
    path = run / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + content)
    got, evaluations = told(run)
    assert (
        len(got.troubles) == 1
        and got.troubles[0].startswith("metrics.jsonl")
        and len(evaluations) in (0, 2)
    )


@pytest.mark.parametrize("name", ["flags.flags", "versions.json", "metrics.jsonl"])
def test_a_pipe_is_not_waited_for(run, name):
    (run / name).unlink()
    os.mkfifo(run / name)
    got, _ = told(run)
    assert got.troubles == [f"{name} of the run cannot be read (not a file)."]


def test_the_command_is_one_that_a_shell_takes(tmp_path):
    (tmp_path / "more.flags").write_text("--split=validation\n")
    given = [
        "--model_dir=my runs/$x",
        "--noonly_check_args",
        f"--flagfile={tmp_path / 'more.flags'}",
        "--report=it's",
    ]
    command = arguments_of(origin.command_of("evaluate", parsed(*given)))
    assert command[:2] == ["mtl", "evaluate"]
    assert sorted(command[2:]) == sorted(
        ["--model_dir=my runs/$x", "--noonly_check_args", "--split=validation", "--report=it's"]
    )
    assert parsed(*command[2:]).flag_values_dict() == parsed(*given).flag_values_dict()


def test_a_long_command_has_a_line_a_flag():
    assert (
        origin.command_of("evaluate", parsed("--model_dir=a", "--count=3"))
        == "mtl evaluate --model_dir=a --count=3"
    )
    long = origin.command_of("evaluate", parsed("--model_dir=" + "a" * 80, "--count=3"))
    assert long == f"mtl evaluate \\\n  --model_dir={'a' * 80} \\\n  --count=3"

"""What a report says about its run: damaged files are reported and never stop it."""

import json
import os
import shlex

import pytest
from absl import flags as absl_flags

from mtl.cli import evaluate, flags, provenance

FLAGS = "--bottom=small\n--data_dir=\n"
FILES = ("flags.flags", "versions.json", "metrics.jsonl")


def parsed(*arguments):
    values = absl_flags.FlagValues()
    evaluate.define(values)
    flags.define(values)
    flags.parse(values, ["evaluate", *arguments])
    return values


@pytest.fixture
def run(tmp_path):
    """Return a run directory with two evaluations."""
    (tmp_path / "flags.flags").write_text(FLAGS)
    (tmp_path / "versions.json").write_text(json.dumps({"numpy": "1.26", "mtl": None}))
    rows = [{"step": step, "sequence_accuracy": 0.5} for step in (10, 20)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def described(run):
    return provenance.describe(parsed(f"--model_dir={run}"), str(run))


def arguments_of(command):
    """Split a command as a shell does, which joins lines at a backslash."""
    return shlex.split(command.replace("\\\n", ""))


def test_complete_run_is_described(run):
    got, evaluations = described(run)
    assert (got.name, got.flags, got.troubles) == (str(run), FLAGS, [])
    assert got.trained == {"numpy": "1.26", "mtl": "None"}
    assert [row["step"] for row in evaluations] == [10, 20]
    assert {"mtl", "python", "tensorflow", "numpy", "platform", "processor"} <= set(got.here)
    assert arguments_of(got.evaluate) == ["mtl", "evaluate", f"--model_dir={run}"]
    flagfile = f"--flagfile={run / 'flags.flags'}"
    assert arguments_of(got.train) == ["mtl", "train", flagfile, "--model_dir=runs/again"]


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_reported(run, name):
    (run / name).unlink()
    got, evaluations = described(run)
    assert got.troubles == [f"The run directory has no {name}."]
    missing = {"flags.flags": not got.flags, "versions.json": not got.trained}
    missing["metrics.jsonl"] = not evaluations
    assert [file for file in FILES if missing[file]] == [name]
    assert bool(got.train) == bool(got.flags)


NESTED, LARGE = pytest.param(b"[" * 60_000, id="nested"), pytest.param(b"x" * 70_000, id="large")


@pytest.mark.parametrize("content", [b"\xff\xfe", NESTED, b"{", b"[1, 2]", b"null", LARGE])
def test_damaged_versions_are_reported(run, content):
    (run / "versions.json").write_bytes(content)
    got, _ = described(run)
    assert got.trained == {}
    assert len(got.troubles) == 1 and got.troubles[0].startswith("versions.json of the run ")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\n", NESTED, b"{}\n", b"[1]\n", b'{"step": "x"}\n', b'{"step": 3', b"7\n"]
)
def test_damaged_metrics_are_reported_and_cut(run, content):
    path = run / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + content)
    got, evaluations = described(run)
    assert len(got.troubles) == 1 and got.troubles[0].startswith("metrics.jsonl")
    assert len(evaluations) in (0, 2)


@pytest.mark.parametrize("name", FILES)
def test_pipe_is_not_opened(run, name):
    (run / name).unlink()
    os.mkfifo(run / name)
    got, _ = described(run)
    assert got.troubles == [f"{name} of the run cannot be read (not a file)."]


def test_command_line_survives_a_shell(tmp_path):
    (tmp_path / "more.flags").write_text("--split=validation\n")
    given = ["--model_dir=my runs/$x", "--noonly_check_args", "--report=it's"]
    parsed_flags = parsed(*given, f"--flagfile={tmp_path / 'more.flags'}")
    command = arguments_of(provenance.command_line("evaluate", parsed_flags))
    assert command[:2] == ["mtl", "evaluate"]
    assert sorted(command[2:]) == sorted([*given, "--split=validation"])
    assert parsed(*command[2:]).flag_values_dict() == parsed_flags.flag_values_dict()


def test_long_command_has_a_line_for_each_flag():
    short = provenance.command_line("evaluate", parsed("--model_dir=a", "--count=3"))
    assert short == "mtl evaluate --model_dir=a --count=3"
    name = "a" * 80
    long = provenance.command_line("evaluate", parsed(f"--model_dir={name}", "--count=3"))
    assert long == f"mtl evaluate \\\n  --model_dir={name} \\\n  --count=3"

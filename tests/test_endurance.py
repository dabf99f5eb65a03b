"""The endurance command on a short run, and its verdict on invented ones."""

import csv
import os
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

from tests import endurance

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")
ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def run(monkeypatch, capsys):
    """A function (*arguments) -> (exit code, stdout, stderr) of the command."""

    def run_command(*arguments):
        monkeypatch.setattr(sys, "argv", ["endurance", *arguments])
        try:
            code = endurance.main()
        except SystemExit as error:  # of argparse
            code = error.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.mark.slow
def test_short_run_is_measured_from_its_second_step_to_its_last(tmp_path, run, monkeypatch):
    # Small checkpoints, and few of them: the run then takes a third of the time.
    monkeypatch.setattr(endurance, "EVALUATIONS", 10)
    command = endurance.command
    small = ["--window=16", "--crop=14"]
    monkeypatch.setattr(endurance, "command", lambda *details: [*command(*details), *small])
    out = tmp_path / "deep" / "out"
    code, printed, errors = run(f"--out={out}", "--steps=200")
    # Whether so short a run is flat depends on the load of the machine.
    assert errors == "" and code in (0, 1)
    head, *lines = printed.splitlines()
    assert head.startswith("steps 10 to 30 -> 180 to 200 of 200, ")
    assert len(lines) == len(endurance.QUANTITIES)
    assert all(line.endswith(("  flat", "  NOT FLAT")) for line in lines)
    assert sorted(os.listdir(out)) == ["endurance.csv", "endurance.png"]
    with Image.open(out / "endurance.png") as image:
        assert image.size == (1000, 1000)
    with open(out / "endurance.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == endurance.COLUMNS
    assert [int(row["step"]) for row in rows] == list(range(2, 201))
    last = {name: float(value) for name, value in rows[-1].items()}
    assert last["memory_mb"] > 50 and last["processes"] == 1
    assert last["open_files"] >= 3 and last["threads"] >= 2
    # The best weights, and two checkpoints with Adam's slots.
    assert last["files"] >= 10 and last["disk_mb"] > 4


def rows(**growth):
    """Return 100 rows in which all quantities are 8, or grow by so much at each step."""
    made = []
    for step in range(1, 101):
        row = {name: 8 + growth.get(name, 0) * step for name in endurance.COLUMNS}
        made.append({**row, "step": step})
    return made


def test_constant_quantities_are_flat():
    assert all(flat for _, flat in endurance.judge(rows(), 100))


@pytest.mark.parametrize("column", sorted({each.column for each in endurance.QUANTITIES}))
def test_only_the_growing_quantity_is_not_flat(column):
    judged = endurance.judge(rows(**{column: 0.02}), 100)
    for (line, flat), quantity in zip(judged, endurance.QUANTITIES, strict=True):
        assert line.startswith(quantity.name)
        assert flat == (quantity.column != column)
        assert line.endswith("NOT FLAT") == (not flat)


def test_a_checkpoint_being_written_is_not_growth():
    some = rows()
    some[94] |= {"disk_mb": 30, "open_files": 9}
    assert all(flat for _, flat in endurance.judge(some, 100))


@pytest.mark.parametrize(
    "flags, named",
    [
        ([], "--out"),
        (["--out=a", "--steps=9"], "--steps=9 must be at least 100"),
        (["--out=/dev/null/a"], "--out=/dev/null/a"),
    ],
)
def test_a_wrong_flag_is_one_line(run, flags, named):
    code, printed, errors = run(*flags)
    assert (code, printed, errors.count("\n")) == (2, "", 1)
    assert named in errors


def test_the_command_exits_with_its_code():
    command = [sys.executable, "-m", "tests.endurance"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "endurance: the following arguments are required: --out\n"


def test_a_failed_training_is_reported(tmp_path):
    command = [sys.executable, "-m", "mtl", "train", "--dataset=npz", "--model_dir=x"]
    with pytest.raises(endurance.Failed, match="exit code 1: mtl train: --data_dir is required"):
        list(endurance.watch(command, str(tmp_path)))

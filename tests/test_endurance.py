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


def run(*arguments):
    command = [sys.executable, "-m", "tests.endurance", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_short_run_is_measured_from_its_second_step_to_its_last(tmp_path):
    out = tmp_path / "deep" / "out"
    done = run(f"--out={out}", "--steps=300")
    # Whether so short a run is flat depends on the load of the machine.
    assert done.stderr == "" and done.returncode in (0, 1)
    head, *lines = done.stdout.splitlines()
    assert head.startswith("steps 15 to 45 -> 270 to 300 of 300, ")
    assert len(lines) == len(endurance.QUANTITIES)
    assert all(line.endswith(("  flat", "  NOT FLAT")) for line in lines)
    assert sorted(os.listdir(out)) == ["endurance.csv", "endurance.png"]
    with Image.open(out / "endurance.png") as image:
        assert image.size == (1000, 1000)
    with open(out / "endurance.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == endurance.COLUMNS
    assert [int(row["step"]) for row in rows] == list(range(2, 301))
    last = {name: float(value) for name, value in rows[-1].items()}
    assert last["memory_mb"] > 50 and last["processes"] == 1
    assert last["open_files"] >= 3 and last["threads"] >= 2
    # The best weights, and two checkpoints with Adam's slots.
    assert last["files"] >= 10 and last["disk_mb"] > 50


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
def test_a_wrong_flag_is_one_line(flags, named):
    done = run(*flags)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert named in done.stderr


def test_a_failed_training_is_reported(tmp_path):
    command = [sys.executable, "-m", "mtl", "train", "--dataset=npz", "--model_dir=x"]
    with pytest.raises(endurance.Failed, match="exit code 1: mtl train: --data_dir is required"):
        list(endurance.watch(command, str(tmp_path)))

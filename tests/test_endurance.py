"""The endurance command on a short run, and its verdict on made up ones."""

import csv
import os
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

from tests import endurance

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/stat"), reason="only Linux shows its processes so"
)
ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.endurance", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_short_run_is_watched_from_its_second_step_to_its_last(tmp_path):
    done = run(f"--out={tmp_path / 'deep' / 'out'}", "--steps=300")
    assert done.stderr == "" and done.returncode in (
        0,
        1,
    )  # whether so short a run is flat depends on what else the machine does
    head, *lines = done.stdout.splitlines()
    assert head.startswith("steps 15 to 45 -> 270 to 300 of 300, ") and len(lines) == len(
        endurance.QUANTITIES
    )
    assert all(line.endswith("  flat") or line.endswith("  NOT FLAT") for line in lines)
    assert sorted(os.listdir(tmp_path / "deep" / "out")) == ["endurance.csv", "endurance.png"]
    with open(tmp_path / "deep" / "out" / "endurance.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == endurance.COLUMNS and [int(row["step"]) for row in rows] == list(
        range(2, 301)
    )
    last = {name: float(value) for name, value in rows[-1].items()}
    assert (
        last["memory_mb"] > 50
        and last["open_files"] >= 3
        and last["threads"] >= 2
        and last["processes"] == 1
    )
    assert (
        last["files"] >= 10 and last["disk_mb"] > 50
    )  # the best weights and two checkpoints with Adam's slots
    with Image.open(tmp_path / "deep" / "out" / "endurance.png") as picture:
        assert picture.size == (1000, 1000)


def rows(**growth):
    """Rows of 100 steps, all quantities 8 but for those that grow by so much a step."""
    return [
        {"step": step, **{name: 8 + growth.get(name, 0) * step for name in endurance.COLUMNS[1:]}}
        for step in range(1, 101)
    ]


def test_what_stays_as_it_is_is_flat():
    assert [flat for _, flat in endurance.judge(rows(), 100)] == [True] * len(endurance.QUANTITIES)


@pytest.mark.parametrize("column", dict.fromkeys(column for column, *_ in endurance.QUANTITIES))
def test_what_grows_is_found_and_nothing_else(column):
    judged = endurance.judge(rows(**{column: 0.02}), 100)
    for (line, flat), (its_column, name, *_) in zip(judged, endurance.QUANTITIES, strict=True):
        assert (
            line.startswith(name)
            and flat == (its_column != column)
            and line.endswith("NOT FLAT") == (not flat)
        )


def test_a_checkpoint_being_written_is_no_growth():
    some = rows()
    some[94] |= {"disk_mb": 30, "open_files": 9}
    assert all(flat for _, flat in endurance.judge(some, 100))


def test_a_process_is_seen_with_its_children():
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); sys.stdin.read(); p.kill(); p.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        child = int(process.stdout.readline())
        assert endurance.family(process.pid) == [process.pid, child]
        memory, opened, threads, _ = endurance.of_processes([process.pid, child])
        assert memory > 0 and opened >= 6 and threads == 2
        process.stdin.close()
    assert endurance.of_processes([process.pid]) == (0, 0, 0, 0.0)


@pytest.mark.parametrize(
    "flags, named",
    [
        ([], "--out"),
        (["--out=a", "--steps=9"], "--steps=9: 100 at least"),
        (["--out=/dev/null/a"], "--out=/dev/null/a"),
    ],
)
def test_a_bad_flag_is_one_line(flags, named):
    done = run(*flags)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (
        2,
        "",
        1,
    ) and named in done.stderr


def test_a_training_that_fails_is_one_line(tmp_path):
    with pytest.raises(endurance.Failed, match="ended with 1: mtl train: --data_dir is required"):
        list(
            endurance.watch(
                [sys.executable, "-m", "mtl", "train", "--dataset=npz", "--model_dir=x"],
                str(tmp_path),
            )
        )

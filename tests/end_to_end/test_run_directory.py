"""What happens to a run directory: a full disk, no permission, two owners, damage, a move, other flags, other threads."""

import json
import os
import shutil
import subprocess

import pytest

from mtl import checkpoint
from mtl.runs import directories
from tests import lives


@pytest.fixture
def flags(trained):
    """Return the command of the toy's run without its directory, each 20 of the 60 steps evaluated and saved."""
    return ["train", *trained.flags, f"--data_dir={trained.data_dir}", "--save_every=20"]


@pytest.fixture(scope="module")
def whole(trained, tmp_path_factory):
    """Return the directory of the same run, never disturbed."""
    directory = tmp_path_factory.mktemp("whole")
    command = [
        "train",
        *trained.flags,
        f"--data_dir={trained.data_dir}",
        "--save_every=20",
        f"--model_dir={directory / 'run'}",
    ]
    assert lives.live(directory / "log", command).code == 0
    return directory / "run"


@pytest.fixture(scope="module")
def killed(trained, tmp_path_factory):
    """Return the directory of the same run, killed after its step 41."""
    directory = tmp_path_factory.mktemp("killed")
    command = [
        "train",
        *trained.flags,
        f"--data_dir={trained.data_dir}",
        "--save_every=20",
        f"--model_dir={directory / 'run'}",
    ]
    assert lives.live(directory / "log", command, lives.die_after_steps, 41).code == -9
    return directory / "run"


@pytest.fixture
def at_40(killed, tmp_path):
    """Return a copy of it that a test may spoil; its steps 20 and 40 are saved."""
    return shutil.copytree(killed, tmp_path / "run")


def states(directory):
    return [checkpoint.step_of(path) for path in checkpoint.all_of(str(directory))]


def assert_ends_as(directory, whole, life):
    assert life.code == 0, life.text
    # Every figure of an evaluation hangs on every bit of the weights.
    assert (directory / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    assert (
        states(directory) == states(whole)
        and directories.damage(checkpoint.newest(str(directory))) is None
    )


# -- no room, no permission ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [1, 2, 4], ids=["first state", "first best", "third state"])
def test_a_full_disk_is_one_line_and_the_last_checkpoint_stands(flags, whole, tmp_path, call):
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    life = lives.live(tmp_path / "log", command, lives.no_room_from, call)
    last = life.text.splitlines()[-1]
    assert (
        life.code == 2
        and last.startswith(f"mtl train: {tmp_path / 'run'}")
        and "cannot save step" in last
    )
    assert "File too large); make room" in last
    kept = {1: [], 2: [20], 4: [20, 40]}[call]
    assert states(tmp_path / "run") == kept and "Traceback" not in life.text
    life = lives.live(tmp_path / "log", command)
    assert ("continuing from step" in life.text) == bool(kept)
    assert_ends_as(tmp_path / "run", whole, life)
    assert {name.name for name in (tmp_path / "run").iterdir()} == {
        name.name for name in whole.iterdir()
    }, "no litter"


def test_a_small_disk_that_fills_up(flags, whole, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    # Room for two checkpoints and the best one, with Adam's slots 27 MB each and without them 9, but not for a third beside them.
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=68m", "tmpfs", disk], capture_output=True
    )
    if made.returncode:
        pytest.skip("only root may mount a file system")
    try:
        command = [*flags, f"--model_dir={disk / 'run'}"]
        life = lives.live(tmp_path / "log", command)
        last = life.text.splitlines()[-1]
        assert (
            life.code == 2
            and "cannot save step 60" in last
            and "No space left" in last
            and "make room" in last
        ), life.text
        assert (
            states(disk / "run") == [20, 40]
            and directories.damage(str(disk / "run" / "model.ckpt-40")) is None
        )
        shutil.move(disk / "run", tmp_path / "run")
        life = lives.live(tmp_path / "log", [*flags, f"--model_dir={tmp_path / 'run'}"])
        assert "continuing from step 40" in life.text
        assert_ends_as(tmp_path / "run", whole, life)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_directory_that_nobody_can_write_is_refused_before_the_training(flags, tmp_path):
    (tmp_path / "file").write_text("")
    told = {"/proc/run": "/proc/run: cannot be written ("}
    told |= {
        f"{file}/run": f"{file}: is no folder; --model_dir"
        for file in ("/dev/null", tmp_path / "file")
    }
    for where, line in told.items():
        life = lives.live(tmp_path / "log", [*flags, f"--model_dir={where}"])
        assert (
            life.code == 2
            and life.text.startswith(f"mtl train: {line}")
            and life.text.count("\n") == 1
        )


# -- owners ------------------------------------------------------------------------------------------------------------------------------


def test_a_second_process_is_refused_with_the_pid_of_the_first(flags, whole, tmp_path):
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    first = lives.start(tmp_path / "first.log", command, lives.busy_step, 25)
    lives.reached(first, tmp_path / "first.log")
    second = lives.live(tmp_path / "log", command)
    assert second.code == 1 and second.text.startswith(
        f"mtl train: {tmp_path / 'run'}: process {first.pid} trains here; "
    )
    assert second.text.count("\n") == 1 and "--model_dir" in second.text
    assert_ends_as(tmp_path / "run", whole, lives.ended(first, tmp_path / "first.log"))


def test_a_run_whose_directory_was_removed_ends_and_does_not_write_into_the_next_one(
    flags, tmp_path
):
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    process = lives.start(tmp_path / "log", command, lives.busy_step, 25)
    lives.reached(process, tmp_path / "log")
    shutil.rmtree(tmp_path / "run")
    life = lives.ended(process, tmp_path / "log")
    assert (
        life.code == 2
        and "was removed or replaced" in life.text.splitlines()[-1]
        and not (tmp_path / "run").exists()
    )


# -- damage ------------------------------------------------------------------------------------------------------------------------------


def test_a_damaged_newest_checkpoint_costs_the_steps_since_the_one_before(
    flags, whole, at_40, tmp_path
):
    data = at_40 / "model.ckpt-40.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-7])
    life = lives.live(tmp_path / "log", [*flags, f"--model_dir={at_40}"])
    warning, resumed = life.text.splitlines()[:2]
    assert warning.startswith(
        f"warning: {at_40}/model.ckpt-40: cannot be read ("
    ) and resumed.endswith("continuing from step 20")
    assert_ends_as(at_40, whole, life)


def test_a_finished_run_whose_last_checkpoint_is_damaged_is_not_finished(flags, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "model.ckpt-60.index").write_bytes(b"garbage")
    life = lives.live(tmp_path / "log", [*flags, f"--model_dir={tmp_path / 'run'}"])
    assert "continuing from step 40" in life.text
    assert_ends_as(tmp_path / "run", whole, life)


@pytest.mark.parametrize(
    "content", [None, b"", b"garbage\xff"], ids=["missing", "empty", "garbage"]
)
def test_a_lost_file_checkpoint_costs_a_warning(flags, whole, at_40, tmp_path, content):
    (at_40 / "checkpoint").unlink()
    if content is not None:
        (at_40 / "checkpoint").write_bytes(content)
    life = lives.live(tmp_path / "log", [*flags, f"--model_dir={at_40}"])
    warning, resumed = life.text.splitlines()[:2]
    assert warning.startswith(
        f"warning: {at_40}/checkpoint does not name model.ckpt-40"
    ) and resumed.endswith("continuing from step 40")
    assert_ends_as(at_40, whole, life)


def test_moved_and_copied_it_goes_on(flags, whole, at_40, tmp_path):
    shutil.copytree(at_40, tmp_path / "copy")
    os.rename(at_40, tmp_path / "moved")
    for name in ("copy", "moved"):
        life = lives.live(tmp_path / "log", [*flags, f"--model_dir={tmp_path / name}"])
        assert life.text.startswith(f"{tmp_path / name}: continuing from step 40\n")
        assert_ends_as(tmp_path / name, whole, life)


# -- flags and threads -------------------------------------------------------------------------------------------------------------------


def test_other_flags_are_refused_by_name_and_nothing_is_written(flags, at_40, tmp_path):
    before = {
        path: path.read_bytes()
        for path in at_40.rglob("*")
        if path.is_file() and path.name != "lock"
    }
    life = lives.live(
        tmp_path / "log",
        [*flags, f"--model_dir={at_40}", "--batch_size=9", "--seed=4", "--steps=99"],
    )
    assert life.code == 1 and life.text.count("\n") == 1
    assert (
        "--batch_size=14 (now 9), --seed=0 (now 4); " in life.text
        and "; what may change is --steps, --log_every, " in life.text
    )
    assert before == {
        path: path.read_bytes()
        for path in at_40.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_the_number_of_threads_is_stored_resolved_and_kept(flags, at_40, tmp_path):
    record = json.loads((at_40 / "config.json").read_text())
    assert record["config"]["threads"] == 1, "as the flag said"
    without = [flag for flag in flags if not flag.startswith("--threads")]
    life = lives.live(
        tmp_path / "log", [*without, f"--model_dir={tmp_path / 'other'}", "--steps=1"]
    )
    assert (
        json.loads((tmp_path / "other" / "config.json").read_text())["config"]["threads"]
        == os.cpu_count()
    ), life.text
    life = lives.live(tmp_path / "log", [*without, f"--model_dir={at_40}", "--steps=41"])
    assert json.loads((at_40 / "config.json").read_text())["config"]["threads"] == 1
    if os.cpu_count() > 1:
        assert life.text.startswith(
            f"{at_40}: keeps the 1 threads it was begun with; here are {os.cpu_count()} cores\n"
        )
    life = lives.live(
        tmp_path / "log", [*without, f"--model_dir={at_40}", "--steps=42", "--threads=3"]
    )
    assert life.text.startswith(
        "warning: --threads=3, and the run was begun with 1: it continues, but not bit for bit\n"
    )


def test_another_tensorflow_or_processor_is_warned_of(flags, at_40, tmp_path):
    versions = json.loads((at_40 / "versions.json").read_text())
    (at_40 / "versions.json").write_text(
        json.dumps({**versions, "tensorflow": "2.3.4", "processor": "abacus"})
    )
    life = lives.live(tmp_path / "log", [*flags, f"--model_dir={at_40}"])
    told = f"warning: {at_40} was last trained with tensorflow 2.3.4 (now {versions['tensorflow']}), processor abacus (now "
    assert life.code == 0 and life.text.startswith(told)

"""What happens to a run directory: a full disk, two owners, damage, a move, other flags."""

import json
import os
import shutil
import subprocess

import pytest

from mtl import checkpoint, machine
from mtl.runs import verify
from tests import lives
from tests.run_directories import metrics_of, saved_steps

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def killed(toy_command, tmp_path_factory):
    """The directory of a run that was killed after step 41."""
    directory = tmp_path_factory.mktemp("killed")
    command = [*toy_command, f"--model_dir={directory / 'run'}"]
    assert lives.live(directory / "log", command, lives.die_after_steps, 41).code == -9
    return directory / "run"


@pytest.fixture
def at_40(killed, tmp_path):
    """A copy of it that a test may change; steps 20 and 40 are saved."""
    return shutil.copytree(killed, tmp_path / "run")


def assert_ends_as(directory, whole, life):
    """Assert that a run ended like the whole one; metrics depend on every bit of the weights."""
    assert life.code == 0, life.text
    assert metrics_of(directory) == metrics_of(whole)
    assert saved_steps(directory) == saved_steps(whole)
    assert verify.damage(checkpoint.newest(str(directory))) is None


# -- no space, no permission -----------------------------------------------------------------------


@pytest.mark.parametrize("call", [1, 2, 4], ids=["first step", "first best", "third step"])
def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(toy_command, whole, tmp_path, call):
    run, log = tmp_path / "run", tmp_path / "log"
    command = [*toy_command, f"--model_dir={run}"]
    life = lives.live(log, command, lives.no_space_from, call)
    last = life.text.splitlines()[-1]
    assert life.code == 2 and last.startswith(f"mtl train: {run}") and "cannot save step" in last
    assert "File too large); free some space" in last and "Traceback" not in life.text
    kept = {1: [], 2: [20], 4: [20, 40]}[call]
    assert saved_steps(run) == kept
    life = lives.live(log, command)
    assert ("continuing from step" in life.text) == bool(kept)
    assert_ends_as(run, whole, life)
    assert {path.name for path in run.iterdir()} == {path.name for path in whole.iterdir()}


def test_a_small_disk_that_fills_up_keeps_the_last_checkpoint(toy_command, whole, tmp_path):
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    # Two checkpoints and the best one fit, a third beside them does not.
    sizes = {path.name: path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    size = sum(sizes.values()) + sizes["model.ckpt-60.data-00000-of-00001"] // 2
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        life = lives.live(log, [*toy_command, f"--model_dir={disk / 'run'}"])
        last = life.text.splitlines()[-1]
        assert life.code == 2 and "cannot save step 60" in last, life.text
        assert "No space left" in last and "free some space" in last
        assert saved_steps(disk / "run") == [20, 40]
        assert verify.damage(str(disk / "run" / "model.ckpt-40")) is None
        shutil.move(disk / "run", tmp_path / "run")
        life = lives.live(log, [*toy_command, f"--model_dir={tmp_path / 'run'}"])
        assert "continuing from step 40" in life.text
        assert_ends_as(tmp_path / "run", whole, life)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_directory_that_cannot_be_written_is_rejected_before_training(
    refused, trained, toy_command, tmp_path
):
    (tmp_path / "file").write_text("")
    for directory, named in (
        ("/proc/run", "/proc/run"),
        ("/dev/null/run", "/dev/null"),
        (f"{tmp_path}/file/run", f"{tmp_path}/file"),
    ):
        line = refused(2, *toy_command, f"--model_dir={directory}")
        assert line.startswith(f"mtl train: {named}: ") and "--model_dir" in line


# -- owners ----------------------------------------------------------------------------------------


def test_a_second_process_is_rejected_with_the_pid_of_the_first(toy_command, whole, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    command = [*toy_command, f"--model_dir={run}"]
    first = lives.start(tmp_path / "first.log", command, lives.hold_step, 25)
    lives.reached(first, tmp_path / "first.log")
    second = lives.live(log, command)
    assert second.code == 1 and second.text.count("\n") == 1
    assert second.text.startswith(f"mtl train: {run}: process {first.pid} trains here; ")
    assert "--model_dir" in second.text
    lives.release(first)
    assert_ends_as(run, whole, lives.ended(first, tmp_path / "first.log"))


def test_a_run_whose_directory_was_removed_ends_and_writes_nothing(toy_command, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    process = lives.start(log, [*toy_command, f"--model_dir={run}"], lives.hold_step, 25)
    lives.reached(process, log)
    shutil.rmtree(run)
    lives.release(process)
    life = lives.ended(process, log)
    assert life.code == 2 and "was removed or replaced" in life.text.splitlines()[-1]
    assert not run.exists()


# -- damage ----------------------------------------------------------------------------------------


def test_a_damaged_newest_checkpoint_is_set_aside_for_the_one_before(
    toy_command, whole, at_40, tmp_path
):
    data = at_40 / "model.ckpt-40.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-7])
    life = lives.live(tmp_path / "log", [*toy_command, f"--model_dir={at_40}"])
    warning, resumed = life.text.splitlines()[:2]
    assert warning.startswith(f"warning: {at_40}/model.ckpt-40: cannot be read (")
    assert resumed.endswith("continuing from step 20")
    assert_ends_as(at_40, whole, life)


def test_a_finished_run_with_a_damaged_last_checkpoint_continues(toy_command, whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "model.ckpt-60.index").write_bytes(b"garbage")
    life = lives.live(tmp_path / "log", [*toy_command, f"--model_dir={run}"])
    assert "continuing from step 40" in life.text
    assert_ends_as(run, whole, life)


@pytest.mark.parametrize("content", [None, b"garbage\xff"], ids=["missing", "garbage"])
def test_a_lost_checkpoint_file_is_a_warning(toy_command, whole, at_40, tmp_path, content):
    (at_40 / "checkpoint").unlink()
    if content is not None:
        (at_40 / "checkpoint").write_bytes(content)
    life = lives.live(tmp_path / "log", [*toy_command, f"--model_dir={at_40}"])
    warning, resumed = life.text.splitlines()[:2]
    assert warning.startswith(f"warning: {at_40}/checkpoint does not name model.ckpt-40")
    assert resumed.endswith("continuing from step 40")
    assert_ends_as(at_40, whole, life)


def test_continues_after_a_move_and_in_a_copy(toy_command, whole, at_40, tmp_path):
    shutil.copytree(at_40, tmp_path / "copy")
    os.rename(at_40, tmp_path / "moved")
    for name in ("copy", "moved"):
        life = lives.live(tmp_path / "log", [*toy_command, f"--model_dir={tmp_path / name}"])
        assert life.text.startswith(f"{tmp_path / name}: continuing from step 40\n")
        assert_ends_as(tmp_path / name, whole, life)


# -- steps at the floor ----------------------------------------------------------------------------


def steps_at_floor(directory):
    return [row["monitor"]["steps_at_floor"] for row in metrics_of(directory)]


def test_longer_run_counts_on_from_the_finished_one(command, toy_command, whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    flags = [*toy_command, f"--model_dir={run}", "--steps=61", "--notensorboard"]
    assert command(*flags)[0] == 0
    assert steps_at_floor(run) == [*steps_at_floor(whole), 0]


def test_run_of_an_earlier_version_does_not_know_its_count(command, toy_command, at_40):
    (at_40 / "monitor.json").unlink()
    before = steps_at_floor(at_40)
    flags = [*toy_command, f"--model_dir={at_40}", "--steps=41", "--notensorboard"]
    assert command(*flags)[0] == 0
    assert steps_at_floor(at_40) == [*before, None]


# -- flags and threads -----------------------------------------------------------------------------


def test_other_flags_are_rejected_by_name_and_nothing_is_written(refused, toy_command, at_40):
    files = [path for path in at_40.rglob("*") if path.is_file() and path.name != "lock"]
    before = {path: path.read_bytes() for path in files}
    changed = ["--batch_size=9", "--seed=4", "--steps=99"]
    line = refused(1, *toy_command, f"--model_dir={at_40}", *changed)
    assert "--batch_size=14 (now 9), --seed=0 (now 4); " in line
    assert "only --steps, --log_every, " in line
    assert before == {path: path.read_bytes() for path in files}


def threads_of(directory):
    return json.loads((directory / "config.json").read_text())["config"]["threads"]


def test_the_number_of_threads_is_stored_and_kept(command, toy_command, at_40, tmp_path):
    assert threads_of(at_40) == 1
    flags = [flag for flag in toy_command if not flag.startswith("--threads")]
    flags.append("--notensorboard")
    cores = machine.cores()
    assert command(*flags, f"--model_dir={tmp_path / 'other'}", "--steps=1")[0] == 0
    assert threads_of(tmp_path / "other") == cores
    err = command(*flags, f"--model_dir={at_40}", "--steps=41")[2]
    assert threads_of(at_40) == 1
    if cores > 1:
        line = f"{at_40}: keeps its 1 threads; this machine has {cores} cores\n"
        assert err.startswith(line)
    err = command(*flags, f"--model_dir={at_40}", "--steps=42", "--threads=3")[2]
    line = "warning: --threads=3, but the run began with 1: it continues, but not bit for bit\n"
    assert err.startswith(line)


def test_another_tensorflow_or_processor_is_a_warning(command, toy_command, at_40):
    versions = json.loads((at_40 / "versions.json").read_text())
    others = {**versions, "tensorflow": "2.3.4", "processor": "abacus"}
    (at_40 / "versions.json").write_text(json.dumps(others))
    code, _, err = command(*toy_command, f"--model_dir={at_40}", "--steps=41", "--notensorboard")
    changed = f"tensorflow 2.3.4 (now {versions['tensorflow']}), processor abacus (now "
    assert code == 0 and err.startswith(f"warning: {at_40} was last trained with {changed}")

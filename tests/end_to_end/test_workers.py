"""A killed worker process, as when memory runs out: one line, and trained steps are saved."""

import contextlib
import os
import pathlib
import signal
import time

import pytest

from mtl import checkpoint
from tests import lives

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.path.exists("/proc/self/cmdline"), reason="finds the worker processes in /proc"
    ),
]

KILLED = (
    "a process that draws images was killed, perhaps because memory ran out; "
    "free memory or use fewer workers, then"
)
TRAIN = [
    "train",
    "--bottom=mlp",
    "--batch_size=16",
    "--pool=512",
    "--reuse=8",
    "--workers=2",
    "--save_every=20",
    "--steps=100000",
]


def workers_of(process):
    """List the pids of the worker processes that a process started."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(") ")[2].split()[1]
            program = (path.parent / "cmdline").read_text()
            if parent == str(process.pid) and "workers.work(" in program:
                found.append(int(path.parent.name))
        except OSError:
            continue  # the process has just ended
    return found


def wait_until(condition, log):
    """Wait until a function returns something true, and return it."""
    end = time.monotonic() + 60.0
    while not (found := condition()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.01)
    return found


def started_and_evaluated(log, run):
    """Start a long run; return its process once it has evaluated."""
    process = lives.start(log, [*TRAIN, f"--model_dir={run}"])
    wait_until(lambda: log.exists() and ": validation" in log.read_text(), log)
    return process


def test_training_saves_its_steps_and_ends_in_one_line(tmp_path):
    log, run = tmp_path / "log", tmp_path / "run"
    process = started_and_evaluated(log, run)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    killed = time.monotonic()
    life = lives.ended(process, log)
    assert time.monotonic() - killed < 20.0 and life.code == 2
    *others, last = life.text.splitlines()
    assert all(": validation" in line for line in others)
    step = checkpoint.step_of(checkpoint.newest(str(run)))
    assert last.startswith(f"mtl train: {KILLED}") and last.endswith(f"; saved at step {step}")
    life = lives.live(log, [*TRAIN[:-1], f"--steps={step + 1}", f"--model_dir={run}"])
    assert life.code == 0 and f"continuing from step {step}\n" in life.text


def quiet(log):
    """Return whether a process wrote nothing for half a second."""
    before = log.read_text()
    time.sleep(0.5)
    return log.read_text() == before


def test_a_signal_saves_while_workers_are_stopped(tmp_path):
    # A stopped worker is not dead: nothing shows that it will never answer.
    log, run = tmp_path / "log", tmp_path / "run"
    process = started_and_evaluated(log, run)
    workers = workers_of(process)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: quiet(log), log)
    os.kill(process.pid, signal.SIGINT)
    life = lives.ended(process, log)
    for pid in workers:  # lives ends by os._exit, which skips the exit handler that kills them
        with contextlib.suppress(ProcessLookupError):  # the run itself may have killed them
            os.kill(pid, signal.SIGKILL)
    step = checkpoint.step_of(checkpoint.newest(str(run)))
    where = f"{run}: stopped and saved at step {step}; the same command continues"
    assert life.code == 130 and life.text.splitlines()[-1] == f"mtl train: {where}"


@pytest.mark.parametrize(
    "command",
    [
        [*TRAIN, "--model_dir=RUN"],
        ["evaluate", "--model_dir=pretrained", "--dataset=synthetic", "--count=50000"],
        ["preview", "--dataset=synthetic", "--rows=100", "--columns=100", "--out=RUN.png"],
        ["explain", "--format=html", "--step=1", "--bottom=mlp", "--out=RUN.html"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_has_just_started_ends_in_one_line_and_writes_nothing(tmp_path, command):
    log = tmp_path / "log"
    command = [flag.replace("RUN", str(tmp_path / "run")) for flag in command]
    process = lives.start(log, command, lives.validate_on, 1000)
    os.kill(wait_until(lambda: workers_of(process), log)[-1], signal.SIGKILL)
    life = lives.ended(process, log)
    assert (life.code, life.text.count("\n")) == (2, 1), life.text
    assert life.text.startswith(f"mtl {command[0]}: {KILLED} repeat the command")
    assert os.listdir(tmp_path) == ["log"]

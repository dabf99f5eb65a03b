"""A process that draws images is killed, as the system does when memory runs out: one line within seconds, and what is trained is saved."""

import os
import pathlib
import signal
import time

import pytest

from mtl import checkpoint
from tests import lives

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/cmdline"), reason="processes are looked for in /proc"
)

KILLED = "a process that draws images was killed, as the system does when memory runs out; free memory or use fewer workers, then"
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
    """List the pids of the drawing processes that a process started."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(") ")[2].split()[1]
            if parent == str(process.pid) and "spawn_main" in (path.parent / "cmdline").read_text():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def wait_until(condition, log):
    end = time.monotonic() + 60.0
    while not (found := condition()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.01)
    return found


def test_training_saves_and_ends_in_one_line(tmp_path):
    log, run = tmp_path / "log", tmp_path / "run"
    process = lives.start(log, [*TRAIN, f"--model_dir={run}"])
    wait_until(lambda: ": validation" in log.read_text() if log.exists() else False, log)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    killed = time.monotonic()
    life = lives.ended(process, log)
    assert time.monotonic() - killed < 20.0 and life.code == 2
    *others, last = life.text.splitlines()
    assert all(": validation" in line for line in others) and last.startswith(
        f"mtl train: {KILLED}"
    )
    step = checkpoint.step_of(checkpoint.newest(str(run)))
    assert last.endswith(f"; saved at step {step}")
    life = lives.live(log, [*TRAIN[:-1], f"--steps={step + 1}", f"--model_dir={run}"])
    assert life.code == 0 and f"continuing from step {step}\n" in life.text


def test_a_signal_saves_while_a_worker_does_not_answer(tmp_path):
    """A worker that is stopped, not killed: nothing tells that it will never answer."""
    log, run = tmp_path / "log", tmp_path / "run"
    process = lives.start(log, [*TRAIN, f"--model_dir={run}"])
    wait_until(lambda: ": validation" in log.read_text() if log.exists() else False, log)
    workers = workers_of(process)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: _quiet(log), log)
    os.kill(process.pid, signal.SIGINT)
    life = lives.ended(process, log)
    for pid in workers:  # `mtl` kills them at its exit, which a process of lives leaves out
        os.kill(pid, signal.SIGKILL)
    step = checkpoint.step_of(checkpoint.newest(str(run)))
    assert life.code == 128 + signal.SIGINT
    assert (
        life.text.splitlines()[-1]
        == f"mtl train: {run}: stopped and saved at step {step}; the same command continues"
    )


def _quiet(log):
    before = log.read_text()
    time.sleep(0.5)
    return log.read_text() == before


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
def test_before_anything_is_done_it_is_one_line_and_nothing_is_written(tmp_path, command):
    log = tmp_path / "log"
    process = lives.start(
        log,
        [flag.replace("RUN", str(tmp_path / "run")) for flag in command],
        lives.validate_on,
        1000,
    )
    os.kill(wait_until(lambda: workers_of(process), log)[-1], signal.SIGKILL)
    life = lives.ended(process, log)
    assert (life.code, life.text.count("\n")) == (2, 1) and life.text.startswith(
        f"mtl {command[0]}: {KILLED} repeat the command"
    )
    assert os.listdir(tmp_path) == ["log"]

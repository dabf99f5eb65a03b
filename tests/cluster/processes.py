"""Clusters of real processes on 127.0.0.1, which a test may kill or stop."""

import os
import signal
import time

import numpy as np

from mtl.cluster import watch
from tests import lives
from tests.cluster import local

TASKS = ["--tasks=a:2,b:3,h:real", "--dataset=npz", "--bottom=mlp", "--dropout=0"]
SMALL = ["--batch_size=12", "--warmup_steps=0", "--threads=1", "--save_every=20", "--log_every=5"]


def write_data(folder):
    """Write three splits of features and the labels of three tasks."""
    rng = np.random.default_rng(8)
    for split, count in (("train", 61), ("validation", 23)):
        features = rng.normal(size=(count, 5)).astype(np.float32)
        labels = {
            "a": (features[:, 0] > 0).astype(np.int32),
            "b": np.digitize(features[:, 1], [-0.5, 0.5]).astype(np.int32),
            "h": 10 + 3 * features[:, 2],
        }
        np.savez(folder / f"{split}.npz", features=features, **labels)


def say_soon(seconds):
    """Write messages of a wait after `seconds` instead of ten; in a process, see lives.start."""
    watch.WAIT = seconds


class Processes:
    """A parameter server and two workers; worker 0 is the chief. Killed at the end of `with`."""

    def __init__(self, folder, *flags):
        """Store the settings; folder: pathlib.Path, with the data of `write_data`."""
        ps, *workers = local.free_addresses(3)
        self.names = {"ps 0": f"ps 0 ({ps})"}
        self.names |= {f"worker {i}": f"worker {i} ({each})" for i, each in enumerate(workers)}
        self.run = folder / "run"
        self._folder = folder
        self._flags = [*TASKS, f"--data_dir={folder}", *SMALL, f"--ps_hosts={ps}"]
        self._flags += [f"--worker_hosts={','.join(workers)}", *flags]
        self._started = {}  # name -> (process, log)
        self._all = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in self._all:
            process.kill()

    def start(self, *names, flags=(), prepare=None, details=()):
        """Start processes, such as "ps 0"; flags: further ones."""
        for name in names:
            job, index = name.split()
            log = self._folder / f"{job}{index}-{len(self._all)}.log"
            arguments = ["train", f"--job_name={job}", f"--task_index={index}", *self._flags]
            if name in ("worker 0", "evaluator 0"):
                arguments.append(f"--model_dir={self.run}")
            process = lives.start(log, [*arguments, *flags], prepare, *details)
            self._started[name] = process, log
            self._all.append(process)

    def start_all(self, **options):
        """Start the three processes."""
        self.start("ps 0", "worker 0", "worker 1", **options)

    def text(self, name):
        """Return what the process of a name has written."""
        log = self._started[name][1]
        return log.read_text() if log.exists() else ""

    def wait_for(self, name, text, seconds=60.0):
        """Wait until a process has written a text."""
        until = time.monotonic() + seconds
        while text not in self.text(name):
            assert time.monotonic() < until, self._texts()
            assert self._started[name][0].is_alive() or text in self.text(name), self._texts()
            time.sleep(0.02)

    def send(self, name, signum):
        """Send a signal to a process."""
        os.kill(self._started[name][0].pid, signum)

    def kill(self, name):
        """Kill a process, and wait until it is gone."""
        self.send(name, signal.SIGKILL)
        self._started[name][0].join()

    def life(self, name):
        """Wait for the end of a process; return its lives.Life."""
        return lives.ended(*self._started[name])

    def _texts(self):
        return {name: self.text(name) for name in self._started}

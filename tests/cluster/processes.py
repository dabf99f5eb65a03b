"""Clusters of real processes on 127.0.0.1, which a test may kill or stop."""

import functools
import os
import signal
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import member, place, servers, sessions, watch
from mtl.cluster.lost import Lost
from tests import lives
from tests.cluster import local, networks

TASKS = ["--tasks=a:2,b:3,h:real", "--dataset=npz", "--bottom=mlp", "--dropout=0"]
SMALL = ["--batch_size=12", "--warmup_steps=0", "--threads=1", "--save_every=40", "--log_every=5"]
STEPS = "--steps=200"
LONG = "--steps=100000"  # the run does not end by itself
ENDS_SECONDS = 30.0  # after the loss of a member


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


def prepare(quick, wait, hanging, network, behind):
    """Prepare a process, see Processes; network: str, see networks.enter."""
    watch.WAIT, watch.HANGING = wait, hanging
    if quick:
        member.WATCH_SECONDS = place.WATCH_SECONDS = sessions.CLOSE_SECONDS = 0.3
        watch.QUIET = 1.0
    if network:
        networks.enter(network)
    if behind:
        servers.start = functools.partial(_start_behind, behind)


def _start_behind(address, cluster, options, stop):
    """As servers.start, at another address than the others know: a proxy is there."""
    jobs = tf.train.ClusterSpec({**cluster.spec, cluster.job: [address]})
    return tf.train.Server(jobs, cluster.job, cluster.index, config=options)


class Processes:
    """A parameter server and two workers; worker 0 is the chief."""

    def __init__(self, folder, *flags, addresses=None, quick=False):
        """Store the settings.

        Args:
          folder: pathlib.Path, with the data of `write_data`.
          flags: str, of all processes.
          addresses: list of those of the parameter server and the workers; None means any.
          quick: bool, whether processes look more often than usual whether a member is lost.
        """
        ps, *workers = addresses or local.free_addresses(3)
        self._addresses = {"ps 0": ps, "worker 0": workers[0], "worker 1": workers[1]}
        self.names = {name: f"{name} ({address})" for name, address in self._addresses.items()}
        self.run = folder / "run"
        self._folder, self._quick = folder, quick
        self._flags = [*TASKS, f"--data_dir={folder}", *SMALL, f"--ps_hosts={ps}"]
        self._flags += [f"--worker_hosts={','.join(workers)}", *flags]
        self._started = {}  # name -> (process, log)
        self._all = []

    def start(
        self,
        *names,
        flags=(),
        wait=watch.WAIT,
        hanging=watch.HANGING,
        network=None,
        behind=None,
    ):
        """Start processes.

        Args:
          names: str, such as "ps 0".
          flags: list of str, further ones.
          wait, hanging: float, seconds, for watch.WAIT and watch.HANGING.
          network: networks.Networks, in which each name has its own; None means that of the test.
          behind: str, the address of a process behind a proxy, which is the only one of its job.
        """
        for name in names:
            job, index = name.split()
            log = self._folder / f"{job}{index}-{len(self._all)}.log"
            arguments = ["train", f"--job_name={job}", f"--task_index={index}", *self._flags]
            if name in ("worker 0", "evaluator 0"):
                arguments.append(f"--model_dir={self.run}")
            path = network.path(name) if network else None
            details = self._quick, wait, hanging, path, behind
            process = lives.start(log, [*arguments, *flags], prepare, *details)
            self._started[name] = process, log
            self._all.append(process)

    def start_all(self, **options):
        """Start the three processes; options: of `start`."""
        self.start(*self.names, **options)

    def end(self):
        """Kill all processes."""
        for process in self._all:
            process.kill()

    def text(self, name):
        """Return what the process of a name has written."""
        log = self._started[name][1]
        return log.read_text() if log.exists() else ""

    def wait_for(self, name, text, times=1, seconds=60.0):
        """Wait until a process has written a text some times."""
        until = time.monotonic() + seconds
        while self.text(name).count(text) < times:
            assert time.monotonic() < until, self._texts()
            ended = not self._started[name][0].is_alive()
            assert not ended or self.text(name).count(text) >= times, self._texts()
            time.sleep(0.02)

    def wait_until_listening(self, name):
        """Wait until the server of a process has started."""
        peers = {0: (name, self._addresses[name])}
        assert watch.wait_for_servers(peers, print, lambda: 0, 60.0) == [], self._texts()

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


def assert_finished(members, *others):
    """Assert that all processes end with success; others: further names."""
    for name in (*members.names, *others):
        life = members.life(name)
        assert life.code == 0, life.text


def assert_ended(members, name, what):
    """Assert that a process soon ends to be started again, with a line that has a text."""
    since = time.monotonic()
    life = members.life(name)
    *_, last = life.text.splitlines()
    assert life.code == Lost.RETRY and last.startswith("mtl train: "), life.text
    assert what in last, life.text
    assert time.monotonic() - since < ENDS_SECONDS


def assert_lost(members, name, what):
    """Assert that all processes but one soon end with a line that has its name and a text."""
    for other in members.names.keys() - {name}:
        assert_ended(members, other, members.names[name])
        assert what in members.text(other).splitlines()[-1], members.text(other)


def assert_close(rows, others):
    """Assert that the scores of two runs are close, of which one adds up in another order."""
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, other in zip(rows, others):
        assert row["score"] == pytest.approx(other["score"], abs=0.05)

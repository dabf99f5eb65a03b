"""The processes of `mtl train` in a cluster, as threads: what each does, and how it ends."""

import dataclasses
import itertools
import os
import signal
import threading
import types

import pytest
import tensorflow.compat.v1 as tf

from mtl import config as config_lib, train
from mtl.cli import console, members
from mtl.cluster import member as member_lib, place as place_lib, servers, spec, watch
from mtl.cluster.lost import CURE, Lost
from mtl.data import batches
from mtl.errors import DataError, Interrupted
from tests.cluster import local, processes
from tests.run_directories import saved_steps
from tests.sleeping import Sleeping

pytestmark = pytest.mark.slow

STEPS = 4


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(console, "ending_at_once", False)  # also at the end
    for module in (place_lib, member_lib):
        monkeypatch.setattr(module, "WATCH_SECONDS", 0.2)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The Config of a short run, with its data."""
    folder = tmp_path_factory.mktemp("data")
    processes.write_data(folder)
    fields = {"tasks": "a:2,b:3,h:real", "steps": STEPS, "save_every": STEPS}
    return local.config(data_dir=str(folder), **fields)


class Threads:
    """A parameter server and two workers on 127.0.0.1; some of them as threads of this process."""

    def __init__(self, **fields):
        self._fields = fields
        ps, *workers = local.free_addresses(3)
        self.jobs = {"ps": [ps], "worker": workers}
        self._running = []

    def described(self, job, index):
        return spec.checked(self.jobs, job, index, **self._fields)

    def name(self, job, index):
        return self.described(job, index).name_of(job, index)

    def start(self, job, index, config):
        """Start members.run in a thread; return a list that gets its result or its error."""
        outcome = []

        def run():
            try:
                outcome.append(members.run(self.described(job, index), config))
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._running.append(thread)
        return outcome

    def join(self):
        for thread in self._running:
            thread.join(60.0)
            assert not thread.is_alive()


# -- the data of a worker --------------------------------------------------------------------------


def worker_of_three(number, is_sync):
    """Return what `part` and `source` use of a Member."""
    jobs = {"ps": ["a:1"], "worker": ["b:2", "c:3", "d:4"]}
    return types.SimpleNamespace(is_sync=is_sync, cluster=spec.checked(jobs, "worker", number))


def test_a_synchronous_worker_has_its_part_of_each_batch():
    config = config_lib.Config(batch_size=12)
    found = [members.part(worker_of_three(number, True), config) for number in range(3)]
    assert found == [batches.Part(12, 0, 4), batches.Part(12, 4, 8), batches.Part(12, 8, 12)]
    assert members.source(worker_of_three(1, True), config, range) is range


def test_an_asynchronous_worker_has_every_third_batch():
    config = config_lib.Config(batch_size=12, sync="none")
    found = [members.part(worker_of_three(number, False), config) for number in range(3)]
    assert found == [batches.Part(36, 0, 12), batches.Part(36, 12, 24), batches.Part(36, 24, 36)]
    # After 7 steps of all workers, each has made two, and goes on with its third batch.
    assert next(members.source(worker_of_three(1, False), config, itertools.count)(7)) == 2


def test_one_machine_has_whole_batches():
    assert members.part(None, config_lib.Config()) is None
    assert members.source(None, config_lib.Config(), range) is range


# -- a run -----------------------------------------------------------------------------------------


def test_processes_train_together_again_after_a_loss(config, tmp_path, capsys):
    cluster = Threads(recovery_timeout=60.0)
    others = [cluster.start("ps", 0, config), cluster.start("worker", 1, config)]
    attempted = []

    def trains(member):
        attempted.append(member)
        if len(attempted) == 1:
            raise Lost(f"{cluster.name('worker', 1)} has ended")
        opened = console.opened(config, None, members.part(member, config))
        given = {"tasks": opened.tasks, "inputs": opened.inputs, "member": member}
        return train.run(config, str(tmp_path), opened.source, None, **given)

    with members.chief(cluster.described("worker", 0), config, str(tmp_path)) as attempts:
        assert attempts(trains)["step"] == STEPS
    cluster.join()
    assert others == [[0], [0]] and len(attempted) == 2
    assert saved_steps(tmp_path) == [STEPS]
    printed = capsys.readouterr()
    assert f"{cluster.name('ps', 0)}: the run has ended\n" in printed.out
    assert f"{cluster.name('worker', 1)}: finished at step {STEPS}\n" in printed.out
    assert "has ended; waiting up to 60 s for it (--recovery_timeout)\n" in printed.err
    assert console.ending_at_once


def test_a_run_that_is_finished_ends_the_others(config, tmp_path):
    cluster = Threads()
    others = [cluster.start("ps", 0, config), cluster.start("worker", 1, config)]
    with members.chief(cluster.described("worker", 0), config, str(tmp_path)) as attempts:
        assert attempts(lambda member: {"step": STEPS}) == {"step": STEPS}
    cluster.join()
    assert others == [[0], [0]]


def test_a_chief_that_fails_before_it_trains_ends_the_others_with_its_reason(config, tmp_path):
    cluster, error = Threads(), DataError("train.npz: damaged; write it again")
    others = [cluster.start("ps", 0, config), cluster.start("worker", 1, config)]

    def fails(member):
        raise error

    with pytest.raises(DataError, match="damaged"):
        with members.chief(cluster.described("worker", 0), config, str(tmp_path)) as attempts:
            attempts(fails)
    cluster.join()
    for (found,) in others:
        assert isinstance(found, Lost) and found.exit_code == 2
        assert str(found) == f"{cluster.name('worker', 0)} has ended the run: {error}"


def test_a_worker_without_its_data_ends_the_others_with_its_reason(config, tmp_path):
    cluster = Threads()
    missing = dataclasses.replace(config, data_dir=str(tmp_path / "missing"))
    (server, worker) = (cluster.start("ps", 0, config), cluster.start("worker", 1, missing))
    cluster.join()
    assert isinstance(worker[0], DataError) and "missing" in str(worker[0])
    assert str(server[0]) == f"{cluster.name('worker', 1)} has ended the run: {worker[0]}"
    assert server[0].exit_code == 2


def test_a_loss_is_final_without_a_timeout(config, tmp_path):
    cluster, error = Threads(), Lost("worker 1 has ended")
    server = cluster.start("ps", 0, config)

    def loses(member):
        member.finish()  # so that the server ends
        raise error

    with pytest.raises(Lost) as caught:
        with members.chief(cluster.described("worker", 0), config, str(tmp_path)) as attempts:
            attempts(loses)
    cluster.join()
    assert caught.value is error and server == [0]


# -- signals, and a session that does not end ------------------------------------------------------


def interrupt():
    signal.raise_signal(signal.SIGTERM)


def test_a_signal_ends_a_parameter_server(config, monkeypatch):
    cluster = Threads()
    monkeypatch.setattr(servers, "time", Sleeping(interrupt))
    with pytest.raises(Interrupted) as caught:
        members.run(cluster.described("ps", 0), config)
    assert str(caught.value) == f"{cluster.name('ps', 0)}: stopped"
    assert caught.value.exit_code == 143


@pytest.mark.parametrize("job", ["ps", "worker"])
def test_a_signal_ends_a_process_that_waits_for_the_servers(config, monkeypatch, job):
    first, second, *workers = local.free_addresses(4)
    cluster = spec.checked({"ps": [first, second], "worker": workers}, job, 1)
    monkeypatch.setattr(watch, "time", Sleeping(interrupt))
    with pytest.raises(Interrupted) as caught:
        members.run(cluster, config)
    assert str(caught.value) == f"{cluster.name_of(job, 1)}: stopped"
    assert caught.value.exit_code == 143


def test_a_process_that_waits_for_a_lost_member_is_ended(config, tmp_path, monkeypatch, capsys):
    ended, codes, cluster = threading.Event(), [], Threads()

    def exit_process(code):
        codes.append(code)
        ended.set()

    monkeypatch.setattr(os, "_exit", exit_process)
    monkeypatch.setattr(member_lib, "GRACE_SECONDS", 0.1)
    server = cluster.start("ps", 0, config)
    other = cluster.described("worker", 1)
    target = servers.start(other, tf.ConfigProto(), lambda: 0).target
    leaving = place_lib.Place(target, other, True, print)
    leaving.join(lambda: 0)
    leaving.leave()

    def hangs(member):
        with tf.Graph().as_default(), member.session(tf.ConfigProto()):
            assert ended.wait(60.0)

    with members.chief(cluster.described("worker", 0), config, str(tmp_path)) as attempts:
        attempts(hangs)
    cluster.join()
    assert codes == [Lost.RETRY] and server == [0]
    line = f"mtl train: {cluster.name('worker', 1)} has ended; {CURE}\n"
    assert line in capsys.readouterr().err

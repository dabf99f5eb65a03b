"""The processes of a cluster on this machine: their flags, output, failures, signals and end."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

import helpers
from mtl.cluster import launch, output
from mtl.cluster.output import Show
from tests.cluster import fake_train


class Cluster:
    """A cluster of fake_train.py, and what it has shown."""

    def __init__(self, folder):
        self.folder = folder
        self.lines, self.results, self.states = [], [], []
        self.launched = None

    def run(self, trouble="", stop=lambda: 0, columns=None, evaluator=False, line=None):
        """Run the cluster to its end; return the exit code."""
        os.environ["TROUBLE"] = trouble
        jobs = launch.jobs(2, 1, [1, 2, 3], evaluator)
        show = Show(line or self.lines.append, self.results.append, self.states.append)
        self.launched = launch.Launched(jobs, [f"--model_dir={self.folder}"], show, columns)
        try:
            return self.launched.run(stop)
        finally:
            assert [name for name in self.about() if self.lives(name)] == []

    def about(self):
        """Return what each process has written about itself, by name."""
        return {path.stem: json.loads(path.read_text()) for path in self.folder.glob("*.json")}

    def lives(self, name):
        """Return whether a process of this test still exists."""
        return exists(self.about()[name]["pid"])

    def signals(self):
        """Return the signals that processes got, as "NAME: NUMBER"."""
        path = self.folder / "signals"
        return sorted(path.read_text().splitlines()) if path.exists() else []

    def when_here(self, signum):
        """Return a function that returns a signal once the chief waits for it."""
        return lambda: signum if "chief    | HERE" in self.lines else 0


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "PROGRAM", fake_train.PROGRAM)
    monkeypatch.setattr(launch, "POLL", 0.01)
    monkeypatch.setenv("TROUBLE", "")
    return Cluster(tmp_path)


def quick(monkeypatch):
    """Do not wait long for processes that do not end."""
    for name in ("GRACE", "KILL", "SAVE"):
        monkeypatch.setattr(launch, name, 0.05)


# -- places and ports ------------------------------------------------------------------------------


def test_each_process_gets_its_place_and_all_hosts():
    found = launch.jobs(2, 2, [1, 2, 3, 4], evaluator=True)
    assert [job.name for job in found] == ["chief", "worker 1", "ps 0", "ps 1", "evaluator"]
    hosts = ["--worker_hosts=127.0.0.1:1,127.0.0.1:2", "--ps_hosts=127.0.0.1:3,127.0.0.1:4"]
    common = [*hosts, "--separate_evaluator"]
    assert found[0].flags == ["--job_name=worker", "--task_index=0", *common]
    assert found[3].flags == ["--job_name=ps", "--task_index=1", *common]
    assert found[4].flags == ["--job_name=evaluator", "--task_index=0", *common]
    assert "--separate_evaluator" not in launch.jobs(1, 1, [1, 2])[0].flags


def test_ports_differ_and_a_server_may_use_them():
    with launch.free_ports(20) as ports:
        assert len(set(ports)) == 20
        with socket.create_server((launch.HOST, ports[0])):
            socket.create_connection((launch.HOST, ports[0])).close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reserves the ports")
def test_nothing_else_gets_the_ports():
    with launch.free_ports(1) as (port,), socket.socket() as other:
        with pytest.raises(OSError) as error:
            other.bind((launch.HOST, port))
        assert error.value.errno == errno.EADDRINUSE
    with socket.socket() as other:
        other.bind((launch.HOST, port))


# -- a run that ends well --------------------------------------------------------------------------


def test_runs_all_processes_to_their_end(cluster, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert cluster.run(evaluator=True) == 0
    assert sorted(cluster.lines) == [
        "chief     | I am the worker",
        "evaluator | I am the evaluator",
        "ps 0      | I am the ps",
        "worker 1  | I am the worker",
    ]
    assert (cluster.results, cluster.states) == (["result: 93%"], [])
    about = cluster.about()
    assert about["ps 0"]["flags"]["ps_hosts"] == "127.0.0.1:3"
    assert not any(each["environment"] for each in about.values()), "TF_CONFIG is dropped"
    assert all(each["pid"] == each["group"] for each in about.values())
    assert cluster.signals() == []


def test_what_processes_wrote_before_their_end_is_shown(cluster, monkeypatch):
    copy = output.Output.copy

    def late(self, seconds):
        return time.sleep(seconds) if seconds else copy(self, 0)

    monkeypatch.setattr(output.Output, "copy", late)
    assert cluster.run() == 0
    assert len(cluster.lines) == 3 and cluster.results == ["result: 93%"]


def test_on_a_terminal_the_progress_of_the_chief_is_the_status_line(cluster):
    assert cluster.run(columns=80) == 0
    assert [state for state in cluster.states if "2/2" in state][0] == (
        "chief    | step 2/2  0:00 left  cost 0.500"
    )
    assert "chief    | step 1: accuracy 50%" in cluster.lines
    assert not any("step 2/2" in line for line in cluster.lines)


def test_processes_that_a_process_leaves_behind_are_killed(cluster):
    assert cluster.run("ps 0: leave") == 0
    pid = int((cluster.folder / "left").read_text())
    wait_until(lambda: is_gone(pid))


# -- processes that do not end ---------------------------------------------------------------------


def test_a_process_that_does_not_end_with_the_chief_is_stopped_and_then_killed(
    cluster, monkeypatch
):
    quick(monkeypatch)
    assert cluster.run("worker 1: stay, ps 0: ignore") == 0
    assert cluster.signals() == [f"worker 1: {signal.SIGTERM.value}"]


def test_the_others_have_time_to_end(cluster, monkeypatch):
    monkeypatch.setattr(launch, "KILL", 0.0)
    assert cluster.run() == 0
    assert cluster.signals() == []


# -- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_chief_gets_the_signal_once_and_the_others_end_by_themselves(cluster, signum):
    trouble = "chief: wait, worker 1: follow"
    assert cluster.run(trouble, cluster.when_here(signum)) == 128 + signum
    assert cluster.signals() == [f"chief: {signum.value}"]
    assert "chief    | mtl train: stopped and saved at step 1" in cluster.lines


def test_after_the_chief_has_ended_a_signal_ends_the_others_at_once(cluster):
    def stop():
        ended = (cluster.folder / "ended").exists() and not cluster.lives("chief")
        return signal.SIGINT if ended else 0

    began = time.monotonic()
    assert cluster.run("worker 1: stay", stop) == 0, "the run is complete"
    assert cluster.signals() == [f"worker 1: {signal.SIGTERM.value}"]
    assert time.monotonic() - began < launch.GRACE


def test_kill_ends_all_at_once(cluster):
    def stop():
        if "chief    | HERE" in cluster.lines:
            cluster.launched.kill()
        return 0

    cluster.run("chief: wait, ps 0: ignore", stop)
    assert cluster.signals() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells processes of a dead parent")
def test_processes_end_when_their_parent_is_killed(cluster):
    program = (
        "import sys; from mtl.cluster import launch, output; "
        f"launch.PROGRAM = {fake_train.PROGRAM!r}; "
        "launch.Launched(launch.jobs(2, 1, [1, 2, 3]), sys.argv[1:], "
        "output.Show(print, print, print)).run(lambda: 0)"
    )
    command = [sys.executable, "-c", program, f"--model_dir={cluster.folder}"]
    environment = {**os.environ, "TROUBLE": "chief: wait, worker 1: stay, ps 0: stay"}
    parent = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(cluster.about()) == 3)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: all(is_gone(each["pid"]) for each in cluster.about().values()))
    assert [line.split(":")[0] for line in cluster.signals()] == ["chief", "ps 0", "worker 1"]


# -- failures --------------------------------------------------------------------------------------


def test_a_process_that_fails_ends_the_others_and_gives_the_exit_code(cluster):
    with pytest.raises(launch.Failed) as error:
        cluster.run("chief: wait, worker 1: fail")
    assert error.value.exit_code == 2
    text = "worker 1: data: no such file; choose another (exit code 2)"
    assert helpers.one_line(error) == text
    assert "worker 1 | another line" in cluster.lines
    assert cluster.signals() == [f"chief: {signal.SIGTERM.value}"]


def test_a_chief_that_fails_gives_the_exit_code(cluster, monkeypatch):
    quick(monkeypatch)
    with pytest.raises(launch.Failed) as error:
        cluster.run("chief: fail, worker 1: stay")
    assert error.value.exit_code == 2
    assert str(error.value).startswith("chief: data: no such file")
    assert f"worker 1: {signal.SIGTERM.value}" in cluster.signals()


def test_a_killed_process_is_an_error_that_names_the_signal(cluster):
    with pytest.raises(launch.Failed) as error:
        cluster.run("chief: wait, ps 0: die")
    assert error.value.exit_code == 137
    assert str(error.value) == "ps 0: killed by signal 9; I am the ps (exit code 137)"


def test_the_cause_is_named_and_not_a_process_that_noticed_it_first(cluster):
    with pytest.raises(launch.Failed) as error:
        cluster.run("chief: lose, worker 1: fail_later")
    assert error.value.exit_code == 2 and str(error.value).startswith("worker 1: data:")


def test_a_chief_that_does_not_end_after_a_failure_is_killed(cluster, monkeypatch):
    quick(monkeypatch)
    with pytest.raises(launch.Failed) as error:
        cluster.run("chief: ignore, worker 1: fail")
    assert error.value.exit_code == 2 and not cluster.lives("chief")


def test_all_processes_are_gone_if_the_output_fails(cluster):
    def broken(line):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        cluster.run("chief: wait", line=broken)


def is_gone(pid):
    """Return whether a process has ended; a container without init keeps it as a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return not exists(pid)


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

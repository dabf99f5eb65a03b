"""Processes of runs: records, errors, signals, locks, and what is not started again."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

import helpers
from mtl.errors import DataError
from mtl.lab import lock, work
from mtl.lab.work import Ended, Job

FLAGS = ["--threads=1"]


class Watch:
    """Records what `work.run` reports; it signals once a run waits for it."""

    def __init__(self, folder, signum=0):
        self.folder, self.signum = folder, signum
        self.ended, self.most = {}, 0

    def events(self):
        return work.Events(self._ended, self._waiting, self._stop)

    def _ended(self, job, ended):
        self.ended[job.name] = ended

    def _waiting(self, running, to_come):
        self.most = max(self.most, len(running))

    def _stop(self):
        here = [path for path in self.folder.glob("*.log") if "HERE" in path.read_text()]
        return self.signum if here else 0


def job(folder, name, *flags):
    directory = folder / name
    arguments = ["train", f"--model_dir={directory}", *FLAGS, *flags]
    return Job(name, arguments, str(directory / "lock"))


def starts(folder, name):
    """Return how many processes a run has had."""
    return len((folder / name / "starts").read_text().splitlines())


@pytest.fixture
def watch(fake, tmp_path):
    return Watch(tmp_path)


def test_runs_all_jobs_with_as_many_at_a_time_as_allowed(watch, tmp_path):
    jobs = [job(tmp_path, name) for name in "abc"]
    assert work.run(str(tmp_path), jobs, 2, watch.events()) == 0
    assert {name: each.code for name, each in watch.ended.items()} == dict.fromkeys("abc", 0)
    assert watch.most <= 2
    # The system counts the memory of this process as that of the processes that it starts.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    for name, ended in watch.ended.items():
        assert work.record_of(str(tmp_path), name) == ended
        assert ended.beside == 2 and ended.seconds > 0 and 1 < ended.memory < own + 1000


def test_a_finished_run_is_not_started_again(watch, tmp_path):
    for _ in range(2):
        work.run(str(tmp_path), [job(tmp_path, "a")], 1, watch.events())
    assert starts(tmp_path, "a") == 1


def test_a_finished_run_whose_directory_is_gone_is_trained_again(watch, tmp_path):
    work.run(str(tmp_path), [job(tmp_path, "a")], 1, watch.events())
    shutil.rmtree(tmp_path / "a")
    work.run(str(tmp_path), [job(tmp_path, "a")], 1, watch.events())
    assert starts(tmp_path, "a") == 1


def test_a_run_that_diverged_is_not_repeated(watch, tmp_path):
    for _ in range(2):
        work.run(str(tmp_path), [job(tmp_path, "a", "--learning_rate=0.9")], 1, watch.events())
    assert starts(tmp_path, "a") == 1
    assert watch.ended["a"].code == 3
    assert watch.ended["a"].error.startswith("mtl train: task a: loss is nan at step 2")


def test_any_other_failure_is_tried_again(watch, tmp_path):
    work.run(str(tmp_path), [job(tmp_path, "a", "--clip_norm=9.0")], 1, watch.events())
    first = watch.ended["a"]
    assert (first.code, first.error) == (2, "mtl train: data: no such file; choose another")
    work.run(str(tmp_path), [job(tmp_path, "a", "--clip_norm=9.0")], 1, watch.events())
    assert watch.ended["a"].code == 0 and watch.ended["a"].seconds > first.seconds


def test_a_mistake_in_the_first_job_stops_the_others(watch, tmp_path):
    jobs = [job(tmp_path, "a", "--clip_norm=9.0"), job(tmp_path, "b")]
    with pytest.raises(DataError) as error:
        work.run(str(tmp_path), jobs, 1, watch.events(), careful=True)
    helpers.one_line(error, "the first run failed, so the others are not trained: data: no such f")
    assert not (tmp_path / "b").exists() and watch.ended == {}
    assert work.record_of(str(tmp_path), "a").code == 2
    work.run(str(tmp_path), jobs, 1, watch.events(), careful=True)
    assert {name: each.code for name, each in watch.ended.items()} == {"a": 0, "b": 0}


def test_a_mistake_in_a_later_job_stops_no_other(watch, tmp_path):
    jobs = [job(tmp_path, "a"), job(tmp_path, "b", "--clip_norm=9.0"), job(tmp_path, "c")]
    work.run(str(tmp_path), jobs, 1, watch.events(), careful=True)
    assert {name: each.code for name, each in watch.ended.items()} == {"a": 0, "b": 2, "c": 0}


def test_a_mistake_in_the_first_job_after_a_finished_one_stops_no_other(watch, tmp_path):
    jobs = [job(tmp_path, "a"), job(tmp_path, "b", "--clip_norm=9.0"), job(tmp_path, "c")]
    work.run(str(tmp_path), jobs[:1], 1, watch.events(), careful=True)
    work.run(str(tmp_path), jobs, 1, watch.events(), careful=True)
    assert {name: each.code for name, each in watch.ended.items()} == {"a": 0, "b": 2, "c": 0}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_runs_once_and_they_continue_later(watch, tmp_path, signum):
    watch.signum = signum
    jobs = [job(tmp_path, "a", "--steps=77"), job(tmp_path, "b")]
    assert work.run(str(tmp_path), jobs, 1, watch.events()) == signum
    assert (tmp_path / "a" / "signalled").read_text() == f"{signum.value}\n"
    assert work.record_of(str(tmp_path), "a").code == 128 + signum
    assert not (tmp_path / "b").exists()
    watch.signum = 0
    assert work.run(str(tmp_path), jobs, 1, watch.events()) == 0
    assert (starts(tmp_path, "a"), starts(tmp_path, "b")) == (2, 1)


def test_an_error_of_this_process_stops_the_runs(watch, tmp_path):
    def broken(running, to_come):
        if "HERE" in (tmp_path / "a.log").read_text():
            raise OSError("disk full")

    events = watch.events()._replace(waiting=broken)
    with pytest.raises(OSError, match="disk full"):
        work.run(str(tmp_path), [job(tmp_path, "a", "--steps=77")], 1, events)
    assert (tmp_path / "a" / "signalled").read_text() == f"{signal.SIGTERM.value}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells processes of a dead parent")
def test_runs_stop_when_their_parent_is_killed(watch, tmp_path):
    program = (
        "import sys; from mtl.lab import work; "
        f"work.PROGRAM = {work.PROGRAM!r}; "
        "work.run(sys.argv[1], [work.Job('a', sys.argv[2:])], 1, "
        "work.Events(print, lambda *each: None, lambda: 0))"
    )
    arguments = job(tmp_path, "a", "--steps=77").arguments
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), *arguments])
    try:
        _until(lambda: "HERE" in work.tail(str(tmp_path / "a.log")))
    finally:
        parent.kill()
        parent.wait()
    _until(lambda: (tmp_path / "a" / "signalled").exists())
    _until(lambda: not lock.is_held(str(tmp_path / "a" / "lock")))
    assert work.record_of(str(tmp_path), "a") is None
    work.run(str(tmp_path), [job(tmp_path, "a", "--steps=77")], 1, watch.events())
    assert starts(tmp_path, "a") == 2 and watch.ended["a"].code == 0


def test_a_run_that_another_process_trains_waits_and_others_go_first(watch, tmp_path):
    (tmp_path / "a").mkdir()
    order = []
    with lock.held(str(tmp_path / "a" / "lock")) as free:
        assert free

        def stop():
            order.extend(sorted(each for each in watch.ended if each not in order))
            return signal.SIGTERM if "b" in watch.ended else 0

        events = watch.events()._replace(stop=stop)
        jobs = [job(tmp_path, "a"), job(tmp_path, "b")]
        assert work.run(str(tmp_path), jobs, 2, events) == signal.SIGTERM
    assert order == ["b"]
    assert work.run(str(tmp_path), jobs, 2, watch.events()) == 0
    assert watch.ended["a"].code == 0


def test_a_killed_process_is_an_error_that_names_the_signal(watch, tmp_path):
    def kill(running, to_come):
        pid = (tmp_path / "a" / "starts").read_text().split()[0] if running else ""
        if pid and "HERE" in (tmp_path / "a.log").read_text():
            subprocess.run(["kill", "-9", pid], check=True)

    def waiting(running, to_come):
        if (tmp_path / "a" / "starts").exists():
            kill(running, to_come)

    events = watch.events()._replace(waiting=waiting)
    work.run(str(tmp_path), [job(tmp_path, "a", "--steps=77")], 1, events)
    assert watch.ended["a"].code == 137
    assert watch.ended["a"].error.startswith("killed by signal 9; step 1/77")


@pytest.mark.parametrize("content", ["", "[1]", '{"code": 0}', "\x00"])
def test_a_damaged_record_is_none(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    assert work.record_of(str(tmp_path), "a") is None


def test_a_record_is_what_was_written(tmp_path):
    ended = Ended(3, "why", 1.5, None, 2)
    work.write_json(str(tmp_path / "a.json"), ended._asdict())
    assert work.record_of(str(tmp_path), "a") == ended
    assert json.loads((tmp_path / "a.json").read_text())["error"] == "why"


def test_tail_is_the_end_of_a_long_log(tmp_path):
    (tmp_path / "x.log").write_bytes(b"a" * work.TAIL + b"\xff\nend\n")
    text = work.tail(str(tmp_path / "x.log"))
    assert len(text) == work.TAIL and text.endswith("\ufffd\nend\n")
    assert work.tail(str(tmp_path / "none.log")) == ""


def _until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

"""`mtl cluster`: its flags and those of mtl train, its output, stopping, and bad input."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from mtl import machine
from mtl.cluster import launch, simulate
from tests.cluster import fake_train

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """Let processes run fake_train.py instead of mtl."""
    monkeypatch.setattr(launch, "PROGRAM", fake_train.PROGRAM)
    monkeypatch.setattr(launch, "POLL", 0.01)
    monkeypatch.setattr(launch, "GRACE", 1.0)
    monkeypatch.setenv("TROUBLE", "")


@pytest.fixture
def out(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    return path


def flags_of(out):
    """Return the flags that each process got, dict name -> dict."""
    return {path.stem: json.loads(path.read_text())["flags"] for path in out.glob("*.json")}


# -- a whole cluster -------------------------------------------------------------------------------


def test_runs_a_cluster_with_the_result_on_stdout_and_named_lines_on_stderr(command, out):
    arguments = ["--evaluator", f"--model_dir={out}", "--batch_size=6", "--workers=3", "--ps=2"]
    code, stdout, stderr = command("cluster", *arguments)
    assert (code, stdout) == (0, "result: 93%\n"), stderr
    names = ["chief", "evaluator", "ps 0", "ps 1", "worker 1", "worker 2"]
    assert sorted(line.split(" |")[0].strip() for line in stderr.splitlines()) == names
    found = flags_of(out)
    assert sorted(found) == names
    assert all(each["batch_size"] == "6" for each in found.values())
    assert all(each["separate_evaluator"] == "" for each in found.values())
    places = re.compile(r"127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+)*")
    for each in found.values():
        assert places.fullmatch(each["worker_hosts"]) and places.fullmatch(each["ps_hosts"])


def test_processes_share_the_cores(command, out, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 7)
    assert command("cluster", f"--model_dir={out}")[0] == 0
    found = flags_of(out)
    assert sorted(found) == ["chief", "ps 0", "worker 1"]
    assert {(each["threads"], each["workers"]) for each in found.values()} == {("3", "3")}


def test_flags_of_training_are_passed_on_also_from_a_flagfile(command, out, tmp_path):
    flagfile = tmp_path / "f.flags"
    flagfile.write_text("--workers=5\n--threads=4\n--batch_size=9\n")
    arguments = [f"--flagfile={flagfile}", f"--model_dir={out}", "--workers", "3"]
    assert command("cluster", *arguments, "--nomonitor_gradients")[0] == 0
    chief = flags_of(out)["chief"]
    assert len(flags_of(out)) == 4 and chief["flagfile"] == str(flagfile)
    assert (chief["threads"], chief["workers"], chief["nomonitor_gradients"]) == ("4", "5", "")


def test_tf_config_of_another_cluster_is_ignored(command, out, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}')
    assert command("cluster", f"--model_dir={out}")[0] == 0
    assert not any(json.loads(path.read_text())["environment"] for path in out.glob("*.json"))


def test_help_lists_its_flags_and_names_those_of_train(command):
    _, text, _ = command("cluster", "--help")
    assert "[any flag of mtl train]" in text.splitlines()[0]
    assert re.findall(r"^  --(\w+)", text, re.MULTILINE)[:3] == ["workers", "ps", "evaluator"]
    assert "default 2; an integer in the range [1, 64]" in text


def test_terminal_has_a_status_line_that_is_gone_at_the_end(command, out, terminal, monkeypatch):
    shown = terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    assert command("cluster", f"--model_dir={out}")[0] == 0
    states = re.findall(r"\r\x1b\[K(chief[^\r\n]*)", shown.getvalue())
    assert states[-1] == "chief    | step 2/2  0:00 left"[:29]
    kept = re.sub(r"[^\n]*\r\x1b\[K", "", shown.getvalue()).splitlines()
    lines = ["chief    | I am the worker", "chief    | step 1: accuracy 50%"]
    lines += ["ps 0     | I am the ps", "result: 93%", "worker 1 | I am the worker"]
    assert sorted(kept) == lines


# -- the end ---------------------------------------------------------------------------------------


def test_the_first_failure_is_the_last_line_and_the_exit_code(command, out, monkeypatch):
    monkeypatch.setenv("TROUBLE", "chief: wait, worker 1: fail")
    code, stdout, stderr = command("cluster", f"--model_dir={out}")
    assert (code, stdout) == (2, "")
    text = "mtl cluster: worker 1: data: no such file; choose another (exit code 2)"
    assert stderr.splitlines()[-1] == text


@pytest.fixture
def started(out):
    """A function (trouble) -> a process of `mtl cluster` whose chief waits."""
    program = (
        "import sys; from mtl.cluster import launch; "
        f"launch.PROGRAM = {fake_train.PROGRAM!r}; from mtl.cli.main import run; sys.exit(run())"
    )
    command = [sys.executable, "-c", program, "cluster", f"--model_dir={out}"]
    running = []

    def start(trouble):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "TROUBLE": trouble},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        while len(list(out.glob("*.json"))) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def pids(out):
    return [json.loads(path.read_text())["pid"] for path in out.glob("*.json")]


@pytest.mark.slow
@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_chief_which_ends_the_cluster(started, out, signum, code):
    process = started("chief: wait")
    os.kill(process.pid, signum)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "")
    assert stderr.splitlines()[-1] == "chief    | mtl train: stopped and saved at step 1"
    assert (out / "signals").read_text() == f"chief: {signum.value}\n"
    for pid in pids(out):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
def test_a_second_signal_kills_all_at_once(started, out):
    process = started("chief: ignore, worker 1: ignore, ps 0: ignore")
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.5)  # a signal sent twice at once counts once
    assert process.poll() is None
    os.kill(process.pid, signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert stderr.splitlines()[-1].startswith("mtl cluster: stopped at once by a second signal")
    for pid in pids(out):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["--workers=0"], ["--workers=0", "[1, 64]"]),
        (["--ps=0"], ["--ps=0", "[1, 64]"]),
        (["--ps=65"], ["--ps=65", "[1, 64]"]),
        (["--workers"], ["--workers="]),
        (["--job_name=ps"], ["--job_name is given", "use --workers and --ps"]),
        (["--worker_hosts=a:1"], ["--worker_hosts is given", "use --workers"]),
        (["--slurm_ps=1"], ["--slurm_ps is given", "use --ps"]),
        (["--separate_evaluator"], ["--separate_evaluator is given", "use --evaluator"]),
        (["--flagfile=flags/cluster/two_terminals.flags"], ["--ps_hosts is given", "use --ps"]),
        (["--workers=3"], ["--batch_size=64 cannot be divided among 3", "--batch_size=63"]),
        (["--backup_workers=2"], ["needs 3 workers, but this cluster has 2"]),
        (["--stepps=3"], ["unknown flag --stepps=3; did you mean --steps?"]),
        (["--evaluater"], ["unknown flag --evaluater; did you mean --evaluator?"]),
        (["--steps=0"], ["--steps=0"]),
        (["--objective=list"], ["use mtl train --objective=list"]),
        (["--dataset=svhn"], ["--data_dir"]),
        (["--init_from=gs://x/y"], ["--init_from=gs://x/y", "name a path of this machine"]),
        (["extra"], ["unexpected argument 'extra'"]),
        (["--", "--ps=2"], ["unexpected argument '--ps=2'"]),
    ],
)
def test_bad_flags_are_one_line_and_nothing_is_started(refused, out, monkeypatch, arguments, parts):
    monkeypatch.chdir(ROOT)
    line = refused(1, "cluster", f"--model_dir={out}", *arguments)
    assert line.startswith("mtl cluster: ")
    for part in parts:
        assert part in line, line
    assert os.listdir(out) == []


def test_model_dir_is_required(refused):
    assert "--model_dir is required" in refused(1, "cluster")


def test_own_flags_in_a_flagfile_are_refused(refused, out, tmp_path):
    (tmp_path / "f.flags").write_text("--ps=2\n")
    line = refused(1, "cluster", f"--model_dir={out}", f"--flagfile={tmp_path}/f.flags")
    assert "--ps does not work in a flagfile; give it on the command line" in line


def test_only_check_args_starts_nothing(command, out):
    assert command("cluster", f"--model_dir={out}", "--only_check_args") == (0, "", "")
    assert os.listdir(out) == []


def test_a_prediction_is_printed_and_nothing_started(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command("cluster", "--simulate=8,2,10")
    assert (code, err) == (0, "")
    assert out == simulate.report(*simulate.parse("8,2,10")) + "\n"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_prediction_is_refused(refused):
    for check in ([], ["--only_check_args"]):
        line = refused(1, "cluster", "--simulate=8,2", *check)
        assert line == f"mtl cluster: --simulate=8,2 has 2 values; {simulate.EXAMPLE}\n"

"""The flags of a process of a cluster: what they describe, and which combinations are refused."""

import json
import os
import subprocess
import sys

import pytest
from absl import flags as absl_flags

from mtl.cli import cluster_flags, flags, help_text, train
from mtl.cluster import slurm

TWO = ["--ps_hosts=a:1", "--worker_hosts=b:2,c:3"]
THREE = {"cluster": {"ps": ["a:1"], "worker": ["b:2", "c:3", "d:4"]}}
TF_CONFIG = {"TF_CONFIG": json.dumps({**THREE, "task": {"type": "worker", "index": 2}})}
SLURM = {slurm.RANK: "2", slurm.NODES: "n[1-2]", slurm.TASKS: "2(x2)"}


@pytest.fixture(autouse=True)
def no_cluster_outside(monkeypatch):
    for name in ("TF_CONFIG", *SLURM):
        monkeypatch.delenv(name, raising=False)


def parsed(*arguments):
    values = absl_flags.FlagValues()
    train.define(values)
    flags.define(values)
    assert flags.parse(values, ["train", *arguments]) == []
    return values


def cluster(*arguments, environment=()):
    return cluster_flags.cluster(parsed(*arguments), dict(environment))


def test_without_flags_there_is_no_cluster():
    assert cluster() is None


def test_the_flags_have_a_heading_of_their_own():
    text = help_text.render(train.USAGE, train.SUMMARY, parsed())
    assert text.count("\n\nThis process of a cluster:\n  --job_name\n") == 1


def test_two_terminals():
    found = cluster(*TWO, "--job_name=worker", "--task_index=1", "--recovery_timeout=60")
    assert found.spec == {"ps": ["a:1"], "worker": ["b:2", "c:3"]}
    assert (found.job, found.index, found.recovery_timeout) == ("worker", 1, 60.0)


def test_a_chief_of_its_own():
    found = cluster(*TWO, "--chief_hosts=d:4", "--job_name=chief")
    assert (found.number, len(found.workers)) == (0, 3)


def test_the_environment_describes_the_cluster():
    found = cluster(environment=TF_CONFIG)
    assert (found.job, found.index, found.spec) == ("worker", 2, THREE["cluster"])
    assert cluster("--job_name=worker", "--task_index=2", environment=TF_CONFIG) == found


def test_slurm_is_asked_only_if_a_flag_says_so():
    assert cluster(environment=SLURM) is None
    found = cluster("--slurm_ps=1", "--slurm_port=5000", environment=SLURM)
    assert (found.job, found.index, found.address) == ("worker", 1, "n2:5000")
    assert found.spec == {"ps": ["n1:5000"], "worker": ["n1:5001", "n2:5000", "n2:5001"]}
    assert cluster("--slurm_ps=1", environment=SLURM).address == "n2:8888"


def test_an_evaluator_needs_no_hosts():
    found = cluster("--job_name=evaluator", "--separate_evaluator")
    assert (found.job, found.jobs) == ("evaluator", {})


def run_flags(*more):
    return ["train", "--model_dir=run", "--steps=2", *more]


@pytest.mark.parametrize(
    "more, expected",
    [
        (["--job_name=boss"], "--job_name=boss"),
        (["--job_name=ps"], "--job_name=ps, but --ps_hosts is missing"),
        (["--ps_hosts=a:1"], "--ps_hosts needs --job_name"),
        (["--worker_hosts=a:1"], "--worker_hosts needs --job_name"),
        (["--task_index=0"], "--task_index needs --job_name"),
        (["--job_name=worker", "--worker_hosts=a:1"], "--ps_hosts is missing"),
        (["--job_name=ps", "--ps_hosts=a:1"], "--worker_hosts is missing"),
        ([*TWO, "--job_name=worker"], "--task_index is missing"),
        ([*TWO, "--job_name=worker", "--task_index=2"], "--task_index=2 is out of range"),
        ([*TWO, "--job_name=worker", "--task_index=x"], "--task_index=x"),
        ([*TWO, "--job_name=chief"], "--job_name=chief, but --chief_hosts is missing"),
        ([*TWO, "--job_name=ps", "--chief_hosts=d:4,e:5"], "--chief_hosts has 2 addresses"),
        ([*TWO, "--job_name=ps", "--worker_hosts=b"], "--worker_hosts: b has no port"),
        ([*TWO, "--job_name=ps", "--worker_hosts=b:2,"], "--worker_hosts: '' is not an address"),
        ([*TWO, "--job_name=ps", "--worker_hosts=b:2,a:1"], "a:1 appears twice"),
        ([*TWO, "--job_name=ps", "--batch_size=65"], "--batch_size=65 cannot be divided among 2"),
        ([*TWO, "--job_name=ps", "--backup_workers=2"], "--backup_workers=2 needs 3 workers"),
        ([*TWO, "--job_name=ps", "--recovery_timeout=-1"], "--recovery_timeout=-1 must be"),
        ([*TWO, "--job_name=ps", "--recovery_timeout=nan"], "--recovery_timeout=nan must be"),
        ([*TWO, "--job_name=ps", "--slurm_ps=1"], "--slurm_ps and --worker_hosts both"),
        ([*TWO, "--job_name=evaluator"], "give all processes --separate_evaluator"),
        (["--backup_workers=1"], "--backup_workers=1 needs 2 workers, but one machine counts as 1"),
        (["--backup_workers=1", "--sync=none"], "--backup_workers=1 needs --sync=all"),
        (["--recovery_timeout=9"], "--recovery_timeout=9 needs a cluster"),
        (["--slurm_ps=1"], "--slurm_ps=1, but SLURM_PROCID is not set"),
        (["--slurm_ps=-1"], "--slurm_ps=-1 must be"),
        (["--slurm_port=5000"], "--slurm_ps=0 must be"),
        (["--slurm_ps=1", "--slurm_port=0"], "--slurm_port=0 must be"),
        (["--sync=half"], "--sync=half must be one of all, none"),
        (["--backup_workers=-1"], "--backup_workers=-1 must be at least 0"),
    ],
)  # fmt: skip
def test_a_wrong_cluster_is_one_line_and_writes_nothing(
    refused, tmp_path, monkeypatch, more, expected
):
    monkeypatch.chdir(tmp_path)
    line = refused(1, *run_flags(*more))
    assert line.startswith("mtl train: ") and expected in line
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "environment, more, expected",
    [
        ({"TF_CONFIG": "{"}, [], "TF_CONFIG is not JSON"),
        (TF_CONFIG, ["--task_index=1"], "--task_index=1, but TF_CONFIG task.index is 2"),
        (TF_CONFIG, [*TWO, "--job_name=worker"], "but TF_CONFIG cluster.worker is b:2,c:3,d:4"),
        (TF_CONFIG, ["--batch_size=64"], "--batch_size=64 cannot be divided among 3 workers"),
        ({**TF_CONFIG, **SLURM}, ["--slurm_ps=1"], "--slurm_ps and TF_CONFIG both describe"),
        (SLURM, ["--slurm_ps=4"], "--slurm_ps=4 of 4 tasks leaves no worker"),
    ],
)  # fmt: skip
def test_a_wrong_environment_is_one_line(
    refused, tmp_path, monkeypatch, environment, more, expected
):
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert expected in refused(1, *run_flags(*more))
    assert os.listdir(tmp_path) == []


def test_only_the_chief_and_the_evaluator_need_a_run_directory(command, refused):
    check = ["train", "--only_check_args", *TWO, "--separate_evaluator"]
    assert command(*check, "--job_name=ps") == (0, "", "")
    assert command(*check, "--job_name=worker", "--task_index=1") == (0, "", "")
    for job in (["--job_name=worker", "--task_index=0"], ["--job_name=evaluator"]):
        assert "--model_dir is required" in refused(1, *check, *job)
        assert command(*check, *job, "--model_dir=x") == (0, "", "")


def test_the_flags_that_repeat_a_run_name_no_process():
    process = ["--job_name=worker", "--task_index=1", *TWO, "--recovery_timeout=3"]
    text = flags.flags_text(parsed(*process, "--sync=none"))
    names = {line.split("=")[0].removeprefix("--") for line in text.splitlines()}
    own = set(parsed()) - set(absl_flags.FlagValues())
    described = {"job_name", "task_index", "ps_hosts", "worker_hosts", "chief_hosts", "slurm_ps"}
    described |= {"slurm_port", "recovery_timeout", "partition_mb", "separate_evaluator"}
    assert described <= own and not described & names
    assert "--sync=none" in text.splitlines()


@pytest.mark.slow
def test_flags_of_a_cluster_are_checked_without_tensorflow():
    program = (
        "import sys\n"
        "from mtl.cli import main\n"
        f"code = main.run({['train', *TWO, '--job_name=ps', '--only_check_args']!r})\n"
        "assert 'tensorflow' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    environment = {**os.environ, **TF_CONFIG}
    for given, expected in ((os.environ, 0), (environment, 1)):
        done = subprocess.run(
            [sys.executable, "-c", program], env=given, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == expected, done.stderr

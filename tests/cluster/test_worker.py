"""The session loop of a worker that is not the chief."""

import pytest

from mtl import loop, run_files, tasks
from mtl.cluster import worker
from mtl.cluster.lost import Lost
from mtl.errors import Interrupted, UsageError
from tests.cluster import cluster_runs, local

pytestmark = pytest.mark.slow


def test_a_worker_that_fails_ends_the_others_with_its_reason(tmp_path, cluster):
    sources = {2: cluster_runs.source_of(2, 3, step3="broken")}
    chief, first, second = cluster_runs.Run(cluster, tmp_path, count=3, sources=sources).outcomes
    assert isinstance(second, ValueError) and "inputs must be uint8" in str(second)
    address = cluster.jobs["worker"][2]
    for each in (chief, first):
        assert isinstance(each, Lost)
        assert str(each) == f"worker 2 ({address}) has ended the run: {second}"


def test_a_signal_to_a_worker_ends_the_others(tmp_path, cluster):
    steps = []

    def source(first):
        for step, batch in enumerate(cluster_runs.source_of(1, 2)(first)):
            steps.append(step)
            yield batch

    def stop():
        return 15 if 3 in steps else 0

    chief, other = cluster_runs.Run(
        cluster, tmp_path, sources={1: source}, at=1, stop=stop
    ).outcomes
    address = cluster.jobs["worker"][1]
    assert isinstance(other, Interrupted) and other.exit_code == 143
    assert str(other).startswith(f"worker 1 ({address}): stopped after step ")
    assert isinstance(chief, Lost) and str(other).partition(": ")[2] in str(chief)


def test_a_worker_with_other_flags_names_the_flag(tmp_path, cluster):
    chief, other = cluster_runs.Run(
        cluster, tmp_path, configs={1: cluster_runs.config(seed=3, threads=2)}
    ).outcomes
    address = cluster.jobs["worker"][1]
    assert isinstance(other, UsageError)
    expected = f"worker 1 ({address}): the chief has --seed=0, not 3; start all"
    assert str(other).startswith(expected)
    assert isinstance(chief, Lost) and "--seed=0, not 3" in str(chief)


def test_a_worker_that_waits_says_for_whom_and_ends_on_a_signal(cluster, monkeypatch):
    monkeypatch.setattr(worker, "REMIND_SECONDS", 0.5)
    cluster.clear_board(2)
    member, said = cluster.member(1, 2), []
    member.join(lambda: 0)

    def stop():
        return 2 if len(said) >= 2 else 0

    config = cluster_runs.config()
    run = run_files.Run(config, tuple(tasks.parse(config.tasks)), local.INPUTS)
    with pytest.raises(Interrupted, match="stopped before its first step") as caught:
        worker.run(run, member, None, loop.Callbacks(say=said.append, stop=stop))
    assert caught.value.exit_code == 130
    assert said == [f"waiting for worker 0 ({cluster.jobs['worker'][0]})"] * 2

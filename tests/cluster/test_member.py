"""What a chief and its workers write, and how a run ends for all of them."""

import os

import numpy as np
import pytest

from mtl import checkpoint, run_files
from mtl.cluster.lost import Lost
from mtl.errors import Interrupted, NotFiniteError
from tests.cluster import cluster_runs
from tests.run_directories import variables_of

pytestmark = pytest.mark.slow


def assert_same_run(found, expected, units):
    """Compare two run directories; units: of the last place, by which variables may differ."""
    for step in (3, cluster_runs.STEPS):
        values = variables_of(os.path.join(found, f"{checkpoint.PREFIX}-{step}"))
        others = variables_of(os.path.join(expected, f"{checkpoint.PREFIX}-{step}"))
        assert set(values) == set(others)
        for name, value in values.items():
            unit = np.spacing(np.float32(np.abs(others[name]).max()))
            assert np.abs(np.float64(value) - others[name]).max() <= units * unit, name
    rows, others = (
        run_files.read_metrics(each, up_to=cluster_runs.STEPS) for each in (found, expected)
    )
    assert (
        [row["step"] for row in rows] == [row["step"] for row in others] == [3, cluster_runs.STEPS]
    )
    assert sorted(os.listdir(found)) == sorted(os.listdir(expected))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The directory and the result of a run on one machine, with MOMENTUM."""
    directory = tmp_path_factory.mktemp("alone") / "run"
    return directory, cluster_runs.alone(directory, **cluster_runs.MOMENTUM)


def test_one_worker_writes_the_run_of_one_machine(tmp_path, cluster):
    found = cluster_runs.Run(cluster, tmp_path / "found", count=1)
    expected = cluster_runs.alone(tmp_path / "expected")
    assert found.outcomes == [expected]
    assert_same_run(tmp_path / "found", tmp_path / "expected", units=0)


def test_two_workers_write_the_run_of_one_machine(tmp_path, cluster, alone):
    both = dict.fromkeys(range(2), cluster_runs.config(**cluster_runs.MOMENTUM))
    found = cluster_runs.Run(cluster, tmp_path / "found", configs=both)
    directory, expected = alone
    assert found.outcomes[0]["step"] == expected["step"] == cluster_runs.STEPS
    assert found.outcomes[1] == cluster_runs.STEPS
    assert_same_run(tmp_path / "found", directory, units=4 * cluster_runs.STEPS)


def test_one_machine_continues_the_run_of_a_cluster_and_back(tmp_path, cluster, alone):
    for name, first in (("cluster", True), ("machine", False)):
        directory, fields = tmp_path / name, {**cluster_runs.MOMENTUM, "steps": 3}
        if first:
            cluster_runs.Run(
                cluster, directory, configs=dict.fromkeys(range(2), cluster_runs.config(**fields))
            )
            cluster_runs.alone(directory, **cluster_runs.MOMENTUM)
        else:
            cluster_runs.alone(directory, **fields)
            cluster_runs.Run(
                cluster,
                directory,
                configs=dict.fromkeys(range(2), cluster_runs.config(**cluster_runs.MOMENTUM)),
            )
    for name in ("cluster", "machine"):
        assert_same_run(tmp_path / name, alone[0], units=4 * cluster_runs.STEPS)


def test_workers_end_when_the_chief_stops_early(tmp_path, cluster):
    fields = {"patience": 1, "steps": 30, "learning_rate": 1e-9}
    both = dict.fromkeys(range(2), cluster_runs.config(**fields))
    found = cluster_runs.Run(cluster, tmp_path, configs=both)
    assert found.outcomes[0]["step"] < 30
    assert found.outcomes[1] == found.outcomes[0]["step"]


def test_a_signal_to_the_chief_saves_and_ends_the_workers(tmp_path, cluster):
    steps = []
    found = cluster_runs.Run(
        cluster,
        tmp_path,
        each_step=lambda step, *_: steps.append(step),
        stop=lambda: 15 if 4 in steps else 0,
    )
    chief, other = found.outcomes
    assert isinstance(chief, Interrupted) and chief.exit_code == 143
    assert isinstance(other, Lost)
    address = cluster.jobs["worker"][0]
    assert str(other).startswith(f"worker 0 ({address}) has ended the run: {tmp_path}: stopped")
    assert checkpoint.step_of(checkpoint.newest(str(tmp_path))) == 4


def test_a_loss_that_is_not_finite_ends_all(tmp_path, cluster):
    both = dict.fromkeys(range(2), cluster_runs.config(learning_rate=1e38, optimizer="sgd"))
    chief, other = cluster_runs.Run(cluster, tmp_path, configs=both).outcomes
    assert isinstance(chief, NotFiniteError)
    assert isinstance(other, Lost) and str(chief) in str(other)

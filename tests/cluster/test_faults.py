"""Members that are killed, stopped, interrupted or wrong, in real processes."""

import signal
import time

import pytest

from mtl import checkpoint
from mtl.cluster.lost import Lost
from tests import lives
from tests.cluster import processes
from tests.run_directories import metrics_of

pytestmark = pytest.mark.slow

LONG = "--steps=100000"  # the run does not end by itself
RETRY = Lost.RETRY
ENDS_SECONDS = 30.0  # after the loss of a member


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    processes.write_data(folder)
    return folder


@pytest.fixture
def cluster(data, tmp_path):
    """Return the function (*flags) -> Processes; all are killed at the end."""
    made = []

    def make(*flags):
        made.append(processes.Processes(tmp_path, f"--data_dir={data}", *flags))
        return made[-1]

    yield make
    for each in made:
        each.__exit__()


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Return the metrics of a run of 120 steps on one machine."""
    folder = tmp_path_factory.mktemp("whole")
    flags = [*processes.TASKS, *processes.SMALL, f"--data_dir={data}", "--steps=120"]
    life = lives.live(folder / "log", ["train", *flags, f"--model_dir={folder / 'run'}"])
    assert life.code == 0, life.text
    return metrics_of(folder / "run")


def assert_close(rows, others):
    """Compare the scores of two runs, of which one has added up in another order."""
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, other in zip(rows, others):
        assert row["score"] == pytest.approx(other["score"], abs=0.05)


@pytest.mark.parametrize("name", ["worker 1", "worker 0", "ps 0"])
def test_a_killed_member_ends_the_others_with_a_line_that_names_it(cluster, name):
    members = cluster(LONG)
    members.start_all()
    members.wait_for("worker 0", "step 20: ")
    began = time.monotonic()
    members.kill(name)
    for other in members.names.keys() - {name}:
        life = members.life(other)
        *_, last = life.text.splitlines()
        assert life.code == RETRY and last.startswith("mtl train: "), life.text
        assert f"{members.names[name]} has ended" in last, life.text
    assert time.monotonic() - began < ENDS_SECONDS


@pytest.mark.parametrize("name", ["worker 1", "worker 0", "ps 0"])
def test_a_killed_member_returns_and_only_the_steps_since_the_save_are_lost(cluster, name, whole):
    members = cluster("--steps=120", "--recovery_timeout=60")
    members.start_all()
    members.wait_for("worker 0", "step 40: ")
    members.kill(name)
    other = "worker 1" if name == "worker 0" else "worker 0"
    members.wait_for(other, f"{members.names[name]} has ended; waiting up to 60 s for it")
    members.start(name)
    for each in members.names:
        life = members.life(each)
        assert life.code == 0, life.text
    assert "continuing from step " in members.text("worker 0")
    assert_close(metrics_of(members.run), whole)


def test_a_member_that_hangs_is_waited_for_by_name(cluster, whole):
    members = cluster("--steps=120")
    members.start_all(prepare=processes.say_soon, details=[1.0])
    members.wait_for("worker 0", "step 40: ")
    members.send("worker 1", signal.SIGSTOP)
    members.wait_for("worker 0", f"waiting for {members.names['worker 1']}, which has not answered")
    members.send("worker 1", signal.SIGCONT)
    assert [members.life(name).code for name in members.names] == [0, 0, 0]
    assert_close(metrics_of(members.run), whole)


def test_a_signal_to_the_chief_saves_and_ends_all(cluster):
    members = cluster(LONG)
    members.start_all()
    members.wait_for("worker 0", "step 20: ")
    members.send("worker 0", signal.SIGTERM)
    chief = members.life("worker 0")
    assert chief.code == 143, chief.text
    step = checkpoint.step_of(checkpoint.newest(str(members.run)))
    assert f"stopped and saved at step {step}" in chief.text
    for name in ("worker 1", "ps 0"):
        life = members.life(name)
        assert life.code == RETRY
        assert f"{members.names['worker 0']} has ended the run: " in life.text


def test_one_machine_continues_the_run_of_a_cluster(cluster, data, whole):
    members = cluster("--steps=60")
    members.start_all()
    assert [members.life(name).code for name in members.names] == [0, 0, 0]
    flags = [*processes.TASKS, *processes.SMALL, f"--data_dir={data}", "--steps=120"]
    life = lives.live(data / "log", ["train", *flags, f"--model_dir={members.run}"])
    assert life.code == 0 and "2 workers, 1 ps (now none)" in life.text, life.text
    assert_close(metrics_of(members.run), whole)


def test_an_evaluator_writes_the_metrics_instead_of_the_chief(cluster, whole):
    members = cluster("--steps=120", "--separate_evaluator")
    members.start_all()
    members.start("evaluator 0")
    assert [members.life(name).code for name in (*members.names, "evaluator 0")] == [0, 0, 0, 0]
    assert "validation" not in members.text("worker 0")
    rows = {row["step"]: row["score"] for row in metrics_of(members.run)}
    expected = {row["step"]: row["score"] for row in whole}
    assert 120 in rows and rows.keys() <= expected.keys()
    assert checkpoint.newest(str(members.run / checkpoint.BEST))
    for step, score in rows.items():
        assert score == pytest.approx(expected[step], abs=0.05)


def test_asynchronous_workers_make_the_steps_together(cluster):
    members = cluster("--steps=200", "--sync=none", "--learning_rate=0.003")
    members.start_all()
    assert [members.life(name).code for name in members.names] == [0, 0, 0]
    rows = metrics_of(members.run)
    assert 200 <= rows[-1]["step"] <= 202
    assert rows[-1]["score"] > rows[0]["score"]


# -- wrong clusters --------------------------------------------------------------------------------


def test_unlike_flags_end_all_with_the_flag(cluster):
    members = cluster(LONG)
    members.start("ps 0", "worker 0")
    members.start("worker 1", flags=["--seed=3"])
    what = f"{members.names['worker 1']}: the chief has --seed=0, not 3; start all processes with"
    for name in members.names:
        life = members.life(name)
        assert life.code == 1 and what in life.text.splitlines()[-1], life.text


def test_a_second_process_in_a_place_is_refused(cluster):
    members = cluster(LONG)
    members.start("ps 0")
    members.wait_for("ps 0", "", 1.0)
    members.start("worker 0")
    time.sleep(1.0)
    members.start("worker 0")
    life = members.life("worker 0")
    assert life.code == 1
    assert f"{members.names['worker 0']}: cannot listen at port " in life.text
    assert "end the process that uses the port, or choose another one" in life.text


def test_a_host_without_an_address_is_named(cluster):
    members = cluster(LONG, "--ps_hosts=no-such-host.invalid:2222")
    members.start("worker 1")
    life = members.life("worker 1")
    assert life.code == 1
    assert "ps 0 (no-such-host.invalid:2222): the host has no address (" in life.text
    assert "; correct it in --ps_hosts\n" in life.text


def test_bad_data_of_a_worker_ends_all_with_its_reason(cluster, tmp_path):
    members = cluster(LONG)
    members.start("ps 0", "worker 0")
    members.start("worker 1", flags=[f"--data_dir={tmp_path / 'missing'}"])
    for name in members.names:
        life = members.life(name)
        assert life.code == 2 and "missing" in life.text.splitlines()[-1], life.text

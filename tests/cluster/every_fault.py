"""Members that are killed, stopped, cut off or wrong, in real processes: takes minutes.

    python -m pytest tests/cluster/every_fault.py

pytest runs this file only if it is named. test_faults.py has the rest.
"""

import signal
import time

import pytest

from mtl import checkpoint
from mtl.cluster.lost import Lost
from tests import lives
from tests.benchmarks import links
from tests.cluster import local, networks, processes
from tests.run_directories import metrics_of

JOBS = ["worker 1", "worker 0", "ps 0"]
SOON = {"wait": 2.0, "hanging": 8.0}  # of a member that does not answer


@pytest.mark.parametrize("sync", ["all", "none"])
@pytest.mark.parametrize("name", JOBS)
def test_a_killed_member_ends_the_others_with_a_line_that_names_it(members, name, sync):
    if (name, sync) == ("worker 1", "none"):
        pytest.skip("the others go on without it")
    run = members(processes.LONG, f"--sync={sync}")
    run.start_all()
    run.wait_for("worker 0", "step 40: ")
    run.kill(name)
    processes.assert_lost(run, name, "has ended")


@pytest.mark.parametrize("name", JOBS)
def test_a_killed_member_returns_and_only_the_steps_since_the_save_are_lost(members, name, whole):
    run = members(processes.STEPS, "--recovery_timeout=60")
    run.start_all()
    run.wait_for("worker 0", "step 80: ")
    run.kill(name)
    other = "worker 1" if name == "worker 0" else "worker 0"
    run.wait_for(other, f"{run.names[name]} has ended; waiting up to 60 s for it")
    run.start(name)
    processes.assert_finished(run)
    assert "continuing from step " in run.text("worker 0")
    processes.assert_close(metrics_of(run.run), whole)


@pytest.mark.parametrize("name", JOBS)
def test_a_member_that_is_stopped_is_waited_for_by_name(members, name, whole):
    run = members(processes.STEPS)
    run.start_all(wait=4.0)
    run.wait_for("worker 0", "step 80: ")
    run.send(name, signal.SIGSTOP)
    time.sleep(15.0)
    run.send(name, signal.SIGCONT)
    processes.assert_finished(run)
    for other in {"worker 0", "worker 1"} - {name}:
        lines = run.text(other).splitlines()
        waits = [line for line in lines if line.startswith("waiting for ")]
        expected = f"waiting for {run.names[name]}, which has not answered for "
        assert waits and all(line.startswith(expected) for line in waits), lines
    processes.assert_close(metrics_of(run.run), whole)


def test_a_signal_to_the_chief_saves_and_ends_all(members):
    run = members(processes.LONG)
    run.start_all()
    run.wait_for("worker 0", "step 40: ")
    run.send("worker 0", signal.SIGTERM)
    chief = run.life("worker 0")
    assert chief.code == 143, chief.text
    step = checkpoint.step_of(checkpoint.newest(str(run.run)))
    assert f"stopped and saved at step {step}" in chief.text
    for name in ("worker 1", "ps 0"):
        life = run.life(name)
        assert life.code == Lost.RETRY
        assert f"{run.names['worker 0']} has ended the run: " in life.text


# -- a cut connection ------------------------------------------------------------------------------


@pytest.fixture
def network():
    if not networks.are_allowed():
        pytest.skip("needs the right to create network namespaces")
    made = networks.Networks(["ps 0", "worker 0", "worker 1"])
    yield made
    made.close()


@pytest.mark.parametrize("sync", ["all", "none"])
@pytest.mark.parametrize("name", JOBS)
def test_an_unplugged_member_is_named_and_all_end(members, network, name, sync):
    run = members(processes.LONG, f"--sync={sync}", addresses=network.addresses)
    run.start_all(network=network, **SOON)
    run.wait_for("worker 0", "step 40: ")
    network.unplug(name)
    of_it = "worker 0" if name == "ps 0" else "ps 0"
    if (name, sync) == ("worker 1", "none"):
        processes.assert_ended(run, name, f"{run.names['ps 0']} has not answered for")
        return
    processes.assert_lost(run, name, "has not answered for")
    processes.assert_ended(run, name, f"{run.names[of_it]} has not answered for")


def test_an_unplugged_member_returns(members, network, whole):
    run = members(processes.STEPS, addresses=network.addresses)
    run.start_all(network=network, wait=2.0)
    run.wait_for("worker 0", "step 80: ")
    network.unplug("worker 1")
    run.wait_for("worker 0", f"waiting for {run.names['worker 1']}, which has not answered")
    run.wait_for("worker 1", f"waiting for {run.names['ps 0']}, which has not answered")
    network.plug("worker 1")
    processes.assert_finished(run)
    processes.assert_close(metrics_of(run.run), whole)


def proxied(members, *flags, **options):
    """Start a cluster whose workers reach the ps through a proxy; return it and links.Links."""
    real, proxy, *workers = local.free_addresses(4)
    link = links.Links([("workers", "ps", proxy, real)])
    run = members(*flags, addresses=[proxy, *workers])
    run.start("ps 0", behind=real, **options)
    run.start("worker 0", "worker 1", **options)
    run.wait_for("worker 0", "step 40: ")
    return run, link


def test_workers_that_hear_nothing_from_the_ps_end_with_its_name(members):
    run, link = proxied(members, processes.LONG, **SOON)
    link.set(1e-6)  # connections stay open
    processes.assert_lost(run, "ps 0", "has not answered for")
    processes.assert_ended(run, "ps 0", f"{run.names['worker 0']} has not answered for")


def test_workers_whose_connections_to_the_ps_break_end_with_its_name(members):
    run, link = proxied(members, processes.LONG)
    link.reset()
    processes.assert_lost(run, "ps 0", "was broken")


def test_workers_whose_connections_to_the_ps_break_go_on_within_recovery_timeout(members, whole):
    run, link = proxied(members, processes.STEPS, "--recovery_timeout=60")
    link.reset()
    processes.assert_finished(run)
    assert "continuing from step " in run.text("worker 0")
    processes.assert_close(metrics_of(run.run), whole)


# -- other runs ------------------------------------------------------------------------------------


def test_one_machine_continues_the_run_of_a_cluster(members, data, whole):
    run = members("--steps=80")
    run.start_all()
    processes.assert_finished(run)
    flags = [*processes.TASKS, *processes.SMALL, f"--data_dir={data}", processes.STEPS]
    life = lives.live(data / "log", ["train", *flags, f"--model_dir={run.run}"])
    assert life.code == 0 and "2 workers, 1 ps (now none)" in life.text, life.text
    processes.assert_close(metrics_of(run.run), whole)


def test_an_evaluator_writes_the_metrics_instead_of_the_chief(members, whole):
    run = members(processes.STEPS, "--separate_evaluator")
    run.start_all()
    run.start("evaluator 0")
    processes.assert_finished(run, "evaluator 0")
    assert "validation" not in run.text("worker 0")
    rows = {row["step"]: row["score"] for row in metrics_of(run.run)}
    expected = {row["step"]: row["score"] for row in whole}
    assert whole[-1]["step"] in rows and rows.keys() <= expected.keys()
    assert checkpoint.newest(str(run.run / checkpoint.BEST))
    for step, score in rows.items():
        assert score == pytest.approx(expected[step], abs=0.05)


def test_asynchronous_workers_make_the_steps_together(members):
    run = members("--steps=200", "--sync=none", "--learning_rate=0.003")
    run.start_all()
    processes.assert_finished(run)
    rows = metrics_of(run.run)
    assert 200 <= rows[-1]["step"] <= 202
    assert rows[-1]["score"] > 0.7  # an untrained network has 0.49


def test_unlike_flags_end_all_with_the_flag(members):
    run = members(processes.LONG)
    run.start("ps 0", "worker 0")
    run.start("worker 1", flags=["--seed=3"])
    what = "the chief has --seed=0, not 3; start all processes with the same flags"
    for name in run.names:
        life = run.life(name)
        *_, last = life.text.splitlines()
        assert life.code == 1 and run.names["worker 1"] in last and what in last, life.text


def test_bad_data_of_a_worker_ends_all_with_its_reason(members, tmp_path):
    run = members(processes.LONG)
    run.start("ps 0", "worker 0")
    run.start("worker 1", flags=[f"--data_dir={tmp_path / 'missing'}"])
    for name in run.names:
        life = run.life(name)
        assert life.code == 2 and "missing" in life.text.splitlines()[-1], life.text


def test_a_second_process_in_a_place_is_refused(members):
    run = members(processes.LONG)
    run.start("ps 0", "worker 0")
    run.wait_until_listening("worker 0")
    run.start("worker 0")
    life = run.life("worker 0")
    assert life.code == 1
    assert f"{run.names['worker 0']}: cannot listen at port " in life.text
    assert "end the process that uses the port, or choose another one" in life.text


def test_a_host_without_an_address_is_named(members):
    run = members(processes.LONG, "--ps_hosts=no-such-host.invalid:2222")
    run.start("worker 1")
    life = run.life("worker 1")
    assert life.code == 1
    assert "ps 0 (no-such-host.invalid:2222): the host has no address (" in life.text
    assert "; correct it in --ps_hosts\n" in life.text

"""The members of a cluster: who they are, and which descriptions are refused."""

import dataclasses

import pytest
import tensorflow.compat.v1 as tf

from mtl import config as config_lib
from mtl.cluster import spec
from mtl.errors import UsageError

WORKERS = ("b:2", "c:3", "d:4")
HOSTS = {"ps": ("a:1", "a:2"), "worker": WORKERS}
WITH_CHIEF = {**HOSTS, "chief": ("e:5",)}


def refused(*arguments, **settings):
    """Return the message of a description that `checked` must refuse."""
    with pytest.raises(UsageError) as error:
        spec.checked(*arguments, **settings)
    message = str(error.value)
    assert "\n" not in message
    assert "; " in message or " must be one of " in message, "no cure"
    return message


def test_the_cluster_is_what_tensorflow_takes():
    for hosts in (HOSTS, WITH_CHIEF):
        jobs = spec.checked(hosts, "worker", 1).spec
        expected = {job: list(addresses) for job, addresses in hosts.items()}
        assert tf.train.ClusterSpec(jobs).as_dict() == expected


def test_worker_0_is_the_chief_where_there_is_none():
    members = [spec.checked(HOSTS, "worker", index) for index in range(3)]
    assert [member.is_chief for member in members] == [True, False, False]
    assert [member.number for member in members] == [0, 1, 2]
    assert {len(member.workers) for member in members} == {3}


def test_the_chief_trains_before_the_workers():
    members = [spec.checked(WITH_CHIEF, "chief", 0)]
    members += [spec.checked(WITH_CHIEF, "worker", index) for index in range(3)]
    assert [member.is_chief for member in members] == [True, False, False, False]
    assert [member.number for member in members] == [0, 1, 2, 3]
    assert [member.device for member in members[:2]] == ["/job:chief/task:0", "/job:worker/task:0"]
    assert members[3].workers[3] == ("worker", 2)
    assert members[3].size == "4 workers, 2 ps"


def test_a_ps_and_an_evaluator_do_not_train():
    for job, address in (("ps", "a:1"), ("evaluator", "")):
        member = spec.checked(HOSTS, job, 0)
        assert (member.number, member.is_chief, member.address) == (None, False, address)


def test_a_member_has_its_address_and_a_name():
    member = spec.checked(HOSTS, "worker", 2)
    assert member.address == "d:4"
    assert member.name_of("ps", 1) == "ps 1 (a:2)"
    assert spec.checked({}, "evaluator", None).name_of("evaluator", 0) == "evaluator 0"


def test_the_index_may_be_left_out_where_a_job_has_one_member():
    assert spec.checked(WITH_CHIEF, "chief", None).index == 0
    message = refused(HOSTS, "worker", None)
    assert message.startswith("--task_index is missing: --worker_hosts has 3 addresses; give")
    assert message.endswith("0 to 2")


@pytest.mark.parametrize("batch_size", [4, 7, 64])
def test_the_parts_of_a_batch_are_the_batch(batch_size):
    members = [spec.checked(WITH_CHIEF, "chief", 0)]
    members += [spec.checked(WITH_CHIEF, "worker", index) for index in range(3)]
    parts = [range(*member.part(batch_size)) for member in members]
    assert [position for part in parts for position in part] == list(range(batch_size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    "address",
    ["localhost:1", "10.0.0.2:65535", "a-b_c.svc.cluster.local:2222", "[::1]:22", "N10:8888"],
)
def test_address_is_accepted(address):
    assert spec.checked({"ps": [address], "worker": ["w:1"]}, "ps", 0).address == address


@pytest.mark.parametrize(
    "address, reason",
    [
        ("localhost", "has no port"), ("10.0.0.2", "has no port"), ("[::1]", "has no port"),
        ("a:0", "port that is not"), ("a:65536", "port that is not"), ("a:99999", "port that is"),
        ("a:1x", "not an address"), ("a:", "not an address"), (":1", "not an address"),
        ("", "not an address"), ("grpc://a:1", "not an address"), ("::1:22", "not an address"),
        ("a b:1", "not an address"), ("a:1\n", "not an address"), ("é:1", "not an address"),
        ("a:١", "not an address"), ("-a:1", "not an address"),
    ],
)  # fmt: skip
def test_wrong_address_names_the_flag_and_the_form(address, reason):
    message = refused({"ps": ["p:1"], "worker": ["a:9", address]}, "worker", 0)
    assert message.startswith("--worker_hosts: ")
    assert reason in message and "write host:port" in message


def test_an_address_belongs_to_one_member():
    message = refused({"ps": ["a:1"], "worker": ["b:1", "c:1", "B:1"]}, "worker", 0)
    assert message.startswith("--worker_hosts: B:1 appears twice;")
    message = refused({"ps": ["a:1"], "worker": ["b:1", "a:1"]}, "ps", 0)
    assert message.startswith("--worker_hosts and --ps_hosts: a:1 appears twice;")


@pytest.mark.parametrize(
    "job, index, hosts, expected",
    [
        ("worker", 3, HOSTS, "--task_index=3 is out of range: --worker_hosts has 3 addresses; use"),
        ("worker", -1, HOSTS, "--task_index=-1 is out of range"),
        ("chief", 1, WITH_CHIEF, "--task_index=1 is out of range: --chief_hosts has 1 address;"),
        ("evaluator", 1, HOSTS, "--task_index=1 is out of range: there is one evaluator; use 0"),
        ("master", 0, HOSTS, "--job_name=master must be one of ps, worker, chief, evaluator"),
        ("chief", 0, HOSTS, "--job_name=chief, but --chief_hosts is missing"),
        ("ps", 0, {"worker": WORKERS}, "--job_name=ps, but --ps_hosts is missing"),
        ("ps", 0, {"ps": ["a:1"]}, "--worker_hosts is missing, so nothing would train"),
        ("worker", 0, {"ps": ["a:1"]}, "--job_name=worker, but --worker_hosts is missing"),
        ("worker", 0, {"worker": WORKERS}, "--ps_hosts is missing"),
        ("worker", 0, {"worker": ["a:1"]}, "--ps_hosts is missing"),
        ("chief", 0, {**HOSTS, "chief": ["e:5", "f:6"]}, "--chief_hosts has 2 addresses"),
    ],
)  # fmt: skip
def test_wrong_description_names_the_flag(job, index, hosts, expected):
    assert refused(hosts, job, index).startswith(expected)


def test_the_range_of_the_index_is_written_out():
    assert refused(WITH_CHIEF, "chief", 1) == (
        "--task_index=1 is out of range: --chief_hosts has 1 address; use 0"
    )
    assert refused(HOSTS, "ps", 2) == (
        "--task_index=2 is out of range: --ps_hosts has 2 addresses; use 0 to 1"
    )


def test_a_missing_chief_says_that_worker_0_can_be_it():
    advice = "or use --job_name=worker: worker 0 is the chief where there is none"
    assert refused(HOSTS, "chief", 0).endswith(advice)
    assert advice not in refused({"worker": WORKERS}, "ps", 0)


def test_errors_use_the_names_of_the_source():
    names = {part: f"its {part}" for part in spec.FLAGS}
    assert refused(HOSTS, "worker", 7, names).startswith("its index=7 is out of range: its worker")


# -- the run ---------------------------------------------------------------------------------------


def check(cluster, **fields):
    """Call spec.check_run; return its error message, or "" if there is none."""
    try:
        spec.check_run(cluster, config_lib.Config(**fields))
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("size, multiple", [(64, 63), (65, 66), (1, 3), (2, 3)])
def test_a_batch_is_divided_among_synchronous_workers(size, multiple):
    cluster = spec.checked(HOSTS, "worker", 0)
    message = check(cluster, batch_size=size)
    assert message.startswith(f"--batch_size={size} cannot be divided among 3 workers; use")
    assert f"--batch_size={multiple}," in message
    assert check(cluster, batch_size=multiple) == ""
    assert check(cluster, batch_size=size, sync="none") == ""
    assert check(spec.checked({}, "evaluator", 0), batch_size=size) == ""
    assert check(None, batch_size=size) == ""


def test_backup_workers_leave_one_to_train():
    cluster = spec.checked(HOSTS, "ps", 1)
    assert check(cluster, batch_size=63, backup_workers=2) == ""
    message = check(cluster, batch_size=63, backup_workers=3)
    assert message.startswith("--backup_workers=3 needs 4 workers, but this cluster has 3;")
    message = check(None, backup_workers=1)
    assert message.startswith("--backup_workers=1 needs 2 workers, but one machine counts as 1;")


def test_backup_workers_need_the_barrier():
    with pytest.raises(ValueError, match="--backup_workers=1 needs --sync=all, not none; "):
        config_lib.Config(sync="none", backup_workers=1)


def test_the_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.checked(HOSTS, "ps", 0).index = 1

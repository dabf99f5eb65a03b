"""The tasks of a Slurm step, with TensorFlow's own resolver as the oracle where it works."""

import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings, strategies as st

from mtl.cluster import slurm, spec
from mtl.errors import UsageError


def step(rank, nodes, tasks, **more):
    """Return the environment of a task."""
    names = {slurm.RANK: str(rank), slurm.NODES: nodes, slurm.TASKS: tasks}
    return {**names, "SLURM_STEP_NUM_TASKS": str(sum(slurm.expand_counts(tasks))), **more}


def member(environment, ps=1, port=8888):
    """Return the Cluster of a task."""
    described = slurm.describe(environment, ps, port)
    return spec.checked(described, described["job"], described["index"], slurm.NAMES)


def refused(environment, ps=1, port=8888):
    """Return the message of a step that must be refused."""
    with pytest.raises(UsageError) as error:
        member(environment, ps, port)
    message = str(error.value)
    assert "\n" not in message and "; " in message
    return message


def resolved(monkeypatch, environment, ps, port):
    """Return what TensorFlow's resolver says: the cluster, the job and the index.

    It fails on nodes without GPUs: one GPU for each task is claimed, and none is set.
    """
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    counts = slurm.expand_counts(environment[slurm.TASKS])
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        jobs={"ps": ps, "worker": sum(counts) - ps},
        port_base=port,
        gpus_per_node=max(counts),
        gpus_per_task=1,
        auto_set_gpu=False,
    )
    found = resolver.cluster_spec().as_dict()
    return found, *resolver.get_task_info()


@pytest.mark.parametrize("ps, port", [(1, 8888), (3, 20001)])
@pytest.mark.parametrize(
    "nodes, tasks",
    [
        ("n[1-2],o[3-4,6,7-9]", "1(x8)"),
        ("n[08-10]", "3(x2),2"),
        ("gpu-a", "5"),
        ("a.b.example,c", "2(x2)"),
    ],
)
def test_agrees_with_the_resolver_of_tensorflow(monkeypatch, nodes, tasks, ps, port):
    for rank in range(sum(slurm.expand_counts(tasks))):
        environment = step(rank, nodes, tasks)
        mine = member(environment, ps, port)
        expected = resolved(monkeypatch, environment, ps, port)
        assert (mine.spec, mine.job, mine.index) == expected


def test_hosts_keep_the_order_of_slurm_where_the_resolver_sorts_them_by_name(monkeypatch):
    # Slurm places task 0 on the first node of the list: n9.
    environment = step(0, "n[9-10]", "1(x2)")
    assert member(environment).address == "n9:8888"
    assert resolved(monkeypatch, environment, 1, 8888)[0]["ps"] == ["n10:8888"]


NUMBERS = st.integers(0, 10_300)
WIDTHS = st.integers(1, 6)


@st.composite
def ranges(draw):
    first, length, width = draw(NUMBERS), draw(st.integers(0, 20)), draw(WIDTHS)
    one = str(first).zfill(width)
    return one if length == 0 else f"{one}-{first + length}"


@st.composite
def parts(draw):
    name = draw(st.from_regex(r"[a-z][a-z0-9.-]{0,5}", fullmatch=True))
    inside = draw(st.lists(ranges(), max_size=3))
    return f"{name}[{','.join(inside)}]" if inside else name


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(parts(), min_size=1, max_size=4))
def test_host_lists_are_read_as_tensorflow_reads_them(listed):
    text = ",".join(listed)
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_STEP_NODELIST", text)
        expected = resolver._resolve_hostlist(None)
    assert slurm.expand_hosts(text) == expected


def test_a_host_list_may_have_several_ranges():
    assert slurm.expand_hosts("r[1-2]n[08-09]-ib,x") == [
        "r1n08-ib", "r1n09-ib", "r2n08-ib", "r2n09-ib", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", ",", "a,", "a,,b", "n[1-2", "n1-2]", "n[]", "n[2-1]", "n[1-2-3]", "n[a]", "n [1]",
             "n[[1]]", "n[0-999999999]", "n[1,]", "a\nb", "n[١]"],
)  # fmt: skip
def test_a_wrong_host_list_is_refused(text):
    with pytest.raises(UsageError, match="SLURM_STEP_NODELIST=.*cannot be read; use --ps_hosts"):
        slurm.expand_hosts(text)


@pytest.mark.parametrize("text", ["", "2(x", "x2", "2(x)", "-1", "2,", "2(x2)3", "٢"])
def test_a_wrong_list_of_tasks_is_refused(text):
    with pytest.raises(UsageError, match="SLURM_STEP_TASKS_PER_NODE=.*cannot be read; use"):
        slurm.expand_counts(text)


@pytest.mark.parametrize("name", [slurm.RANK, slurm.NODES, slurm.TASKS])
def test_outside_a_step_says_how_to_start(name):
    environment = step(0, "n1", "2")
    del environment[name]
    message = refused(environment)
    assert message.startswith(f"--slurm_ps=1, but {name} is not set; start all")
    assert "srun mtl train --slurm_ps=1" in message


def test_a_placement_node_by_node_is_required():
    # --distribution=cyclic: task 1 is on the second node.
    cyclic = step(1, "n[1-2]", "2(x2)", SLURM_NODEID="1", SLURM_LOCALID="0")
    message = refused(cyclic)
    assert message == (
        "--slurm_ps: task 1 is on node 1, not on node 0; use srun --distribution=block"
    )
    block = step(1, "n[1-2]", "2(x2)", SLURM_NODEID="0", SLURM_LOCALID="1")
    assert member(block).address == "n1:8889"


def test_the_highest_port_can_be_used():
    assert member(step(1, "n1", "2"), port=65534).address == "n1:65535"


@pytest.mark.parametrize(
    "environment, ps, port, expected",
    [
        (step(0, "n1", "2"), 2, 8888, "--slurm_ps=2 of 2 tasks leaves no worker;"),
        (step(2, "n1", "2"), 1, 8888, "SLURM_PROCID=2, but the step has 2 tasks;"),
        (step(0, "n[1-3]", "2"), 1, 8888, "SLURM_STEP_NODELIST has 3 nodes, but SLURM_STEP_TASKS"),
        (step("x", "n1", "2"), 1, 8888, "SLURM_PROCID=x cannot be read;"),
        (step(0, "n1", "2"), 1, 65535, "--slurm_port=65535: the ports of a node would exceed"),
        (step(0, "n1,n1", "1(x2)"), 1, 8888, "SLURM_STEP_NODELIST: n1:8888 appears twice;"),
    ],
)  # fmt: skip
def test_a_wrong_step_is_refused_in_one_line(environment, ps, port, expected):
    assert refused(environment, ps, port).startswith(expected)

"""TF_CONFIG, with TensorFlow's own resolver as the oracle; and what is refused."""

import json

import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings, strategies as st

from mtl.cluster import spec, tf_config
from mtl.errors import UsageError

HOSTS = {"ps": ["a:1", "a:2"], "worker": ["b:2", "c:3", "d:4"]}
WITH_CHIEF = {"chief": ["job-chief-0.ns.svc:2222"], **HOSTS}
WITH_EVALUATOR = {**WITH_CHIEF, "evaluator": ["f:1"]}


def text(cluster, job, index, **more):
    """Return a TF_CONFIG."""
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}, **more})


def member(found):
    """Return the Cluster of a TF_CONFIG."""
    described, names = tf_config.agreed({}, found)
    return spec.checked(described, described["job"], described.get("index"), names)


def refused(found, flags=None):
    """Return the message of a TF_CONFIG that must be refused."""
    with pytest.raises(UsageError) as error:
        described, names = tf_config.agreed(flags or {}, found)
        spec.checked(described, described["job"], described.get("index"), names)
    message = str(error.value)
    assert "\n" not in message and "TF_CONFIG" in message
    assert "; " in message or " must be one of " in message, "no cure"
    return message


@pytest.mark.parametrize("index", [0, 1, "1"])
@pytest.mark.parametrize("job", ["ps", "worker"])
@pytest.mark.parametrize("cluster", [HOSTS, WITH_CHIEF])
def test_agrees_with_the_resolver_of_tensorflow(monkeypatch, cluster, job, index):
    found = text(cluster, job, index, environment="cloud", rpc_layer="grpc")
    monkeypatch.setenv("TF_CONFIG", found)
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    mine = member(found)
    assert mine.spec == resolver.cluster_spec().as_dict()
    assert (mine.job, mine.index) == (resolver.task_type, resolver.task_id)
    assert f"grpc://{mine.address}" == resolver.master()


def test_the_chief_is_the_one_that_tensorflow_chooses():
    for cluster in (HOSTS, WITH_CHIEF):
        chiefs = []
        for job in ("chief", "worker"):
            members = [
                member(text(cluster, job, index)) for index in range(len(cluster.get(job, [])))
            ]
            chiefs += [(each.job, each.index) for each in members if each.is_chief]
        assert chiefs == [("chief" if "chief" in cluster else "worker", 0)]


def test_an_evaluator_may_be_absent_from_the_cluster():
    for cluster in (WITH_CHIEF, WITH_EVALUATOR, {"chief": ["a:1"]}):
        evaluator = member(text(cluster, "evaluator", 0))
        assert (evaluator.job, evaluator.number, evaluator.address) == ("evaluator", None, "")


def test_an_evaluator_is_no_part_of_the_cluster_of_the_others():
    assert member(text(WITH_EVALUATOR, "worker", 1)) == member(text(WITH_CHIEF, "worker", 1))


@pytest.mark.parametrize("found", [None, "", "  ", "{}", '{"cluster": {}, "task": {}}'])
def test_without_a_cluster_the_flags_count(found):
    flags = {"job": "ps", "ps": ("a:1",)}
    assert tf_config.agreed(flags, found) == (flags, spec.FLAGS)


@pytest.mark.parametrize(
    "found",
    [
        text({"worker": ["a:1"]}, "worker", 0),
        text({"chief": ["a:1"], "worker": [], "ps": []}, "chief", 0, environment="cloud"),
        text({"chief": ["a:1"], "evaluator": ["b:1"]}, "chief", 0),
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}',
    ],
)
def test_a_single_process_trains_on_one_machine(found):
    assert tf_config.agreed({}, found)[0] == {}


def test_an_empty_job_is_no_job():
    assert member(text({**HOSTS, "chief": []}, "worker", 0)).is_chief


def test_a_job_with_one_process_needs_no_index():
    found = json.dumps({"cluster": WITH_CHIEF, "task": {"type": "chief"}})
    assert member(found).index == 0


@pytest.mark.parametrize(
    "found, expected",
    [
        ("{'cluster': {}}", "TF_CONFIG is not JSON (Expecting"),
        ("worker", "TF_CONFIG is not JSON"),
        ("[" * 100_000, "TF_CONFIG is not JSON"),
        ("[]", "TF_CONFIG is not a JSON object"),
        ("null", "TF_CONFIG is not a JSON object"),
        ('{"cluster": ["a:1"]}', "TF_CONFIG cluster is not a JSON object"),
        ('{"cluster": {"ps": ["a:1"]}, "task": "ps"}', "TF_CONFIG task is not a JSON object"),
        (json.dumps({"cluster": HOSTS}), 'TF_CONFIG has no "task"'),
        ('{"task": {"type": "worker", "index": 0}}', 'TF_CONFIG has no "cluster"'),
        (text({"master": ["a:1"]}, "master", 0), "TF_CONFIG cluster has the unknown job 'master'"),
        (text({**HOSTS, "ps": "a:1"}, "ps", 0), "TF_CONFIG cluster.ps is not a list"),
        (text({**HOSTS, "ps": {"0": "a:1"}}, "ps", 0), "TF_CONFIG cluster.ps is not a list"),
        (text({**HOSTS, "worker": [7]}, "ps", 0), "TF_CONFIG cluster.worker is not a list"),
        (text({**HOSTS, "ps": ["a"]}, "ps", 0), "TF_CONFIG cluster.ps: a has no port"),
        (text({**HOSTS, "ps": ["b:2"]}, "ps", 0), "TF_CONFIG cluster.worker and TF_CONFIG"),
        (text({"worker": ["b:2", "c:3"]}, "worker", 0), "TF_CONFIG cluster.ps is missing"),
        (text({"worker": ["b:2"]}, "worker", 1), "TF_CONFIG cluster.ps is missing"),
        (text({"ps": ["b:2"]}, "ps", 0), "TF_CONFIG cluster.worker is missing"),
        (text({**HOSTS, "chief": ["x:1", "y:1"]}, "ps", 0), "TF_CONFIG cluster.chief has 2"),
        (text(HOSTS, "chief", 0), "TF_CONFIG task.type=chief, but TF_CONFIG cluster.chief"),
        (text(HOSTS, "boss", 0), "TF_CONFIG task.type=boss must be one of"),
        (text(HOSTS, 7, 0), "TF_CONFIG task.type is not one of"),
        (text(HOSTS, "worker", 3), "TF_CONFIG task.index=3 is out of range"),
        (text(HOSTS, "worker", -1), "TF_CONFIG task.index=-1 is out of range"),
        (text(HOSTS, "worker", None), "TF_CONFIG task.index is missing"),
        (text(HOSTS, "worker", True), "TF_CONFIG task.index is not an integer"),
        (text(HOSTS, "worker", 1.0), "TF_CONFIG task.index is not an integer"),
        (text(HOSTS, "worker", "1x"), "TF_CONFIG task.index is not an integer"),
    ],
)  # fmt: skip
def test_a_wrong_tf_config_is_refused_in_one_line(found, expected):
    assert refused(found).startswith(expected)


def test_flags_that_agree_change_nothing():
    found = text(HOSTS, "worker", 1)
    flags = {"job": "worker", "index": 1, "ps": tuple(HOSTS["ps"])}
    assert tf_config.agreed(flags, found) == tf_config.agreed({}, found)


@pytest.mark.parametrize(
    "flags, expected",
    [
        ({"job": "ps"}, "--job_name=ps, but TF_CONFIG task.type is worker;"),
        ({"index": 0}, "--task_index=0, but TF_CONFIG task.index is 1;"),
        ({"ps": ("a:1",)}, "--ps_hosts=a:1, but TF_CONFIG cluster.ps is a:1,a:2;"),
        ({"chief": ("e:1",)}, "--chief_hosts=e:1, but TF_CONFIG cluster.chief is missing;"),
    ],
)
def test_flags_that_disagree_are_refused(flags, expected):
    assert refused(text(HOSTS, "worker", 1), flags).startswith(expected)


def test_flags_of_a_cluster_disagree_with_a_single_process():
    found = text({"worker": ["a:1"]}, "worker", 0)
    assert "--ps_hosts=b:1, but TF_CONFIG cluster.ps is missing" in refused(found, {"ps": ("b:1",)})


# JSON that looks more or less like a TF_CONFIG.
WORDS = st.sampled_from(["cluster", "task", "type", "index", *spec.JOBS, "a:1", "b:2", "c:3", "d"])
LEAVES = WORDS | st.text(max_size=5) | st.integers(-3, 3) | st.none() | st.booleans() | st.floats()
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)
ADDRESSES = st.lists(st.sampled_from(["a:1", "b:2", "c:3", "d:4", "e"]) | TREES, max_size=3)
CLUSTERS = st.dictionaries(st.sampled_from(spec.JOBS), ADDRESSES | TREES, max_size=4)
TASKS = st.fixed_dictionaries({}, optional={"type": st.sampled_from(spec.JOBS), "index": LEAVES})


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(TREES | st.fixed_dictionaries({"cluster": CLUSTERS | TREES, "task": TASKS | TREES}))
def test_any_json_is_a_cluster_or_one_line(found):
    try:
        described, names = tf_config.agreed({}, json.dumps(found))
        if described:
            mine = spec.checked(described, described["job"], described.get("index"), names)
            assert mine.job == found["task"]["type"] and tf.train.ClusterSpec(mine.spec)
    except UsageError as error:
        assert "TF_CONFIG" in str(error) and "\n" not in str(error)

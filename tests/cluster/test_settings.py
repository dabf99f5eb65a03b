"""Members of a cluster with unlike settings: which fields differ."""

import dataclasses
import json

import pytest
import tensorflow.compat.v1 as tf

from mtl import config as config_lib, inputs, run_files, tasks
from mtl.cluster import settings, spec

HOSTS = {"ps": ["a:1", "a:2"], "worker": ["b:2", "c:3"]}
OWN = "digit:10,height:real"


def run(**fields):
    """Return a Run of tasks of the user."""
    record = config_lib.Config(**{"tasks": OWN, "dataset": "npz", "data_dir": "x", **fields})
    return run_files.Run(record, tasks.parse(record.tasks), inputs.NUMBERS)


def difference(theirs, ours):
    """Compare as the members do: the record of the chief comes as JSON."""
    return settings.difference(json.loads(json.dumps(theirs)), ours)


def member(job="worker", index=0, hosts=HOSTS):
    return spec.checked(hosts, job, index)


def test_members_with_the_same_settings_do_not_differ():
    theirs = settings.record(run(), member())
    assert difference(theirs, settings.record(run(), member("worker", 1))) is None
    assert difference(theirs, settings.record(run(), member("ps", 1))) is None


CHANGED = {"brightness": "keep", "optimizer": "sgd", "schedule": "constant", "sync": "none"}
CHANGED |= {"bottom": "mlp", "objective": "linear", "precision": "bf16", "style": "written"}
CHANGED |= {"on_nonfinite": "skip", "views": 2, "best_by": "digit", "tasks": "digit:11,height:real"}
CHANGED |= {"dataset": "table", "init_from": "x", "data_dir": "y", "top_units": "7", "pool": 8}
CHANGED |= {"momentum": 0.5, "beta1": 0.5, "beta2": 0.5, "clip_max": 9.0}
CHANGED |= {"task_weights": "1,2", "reuse": 2, "absent": "mask", "objective_options": "mu:0.5"}
TOGETHER = {"absent": {"tasks": "numbers"}, "views": {"tasks": "numbers"}}
TOGETHER |= {"task_weights": {"objective": "linear"}}
TOGETHER |= {"top_dropout": {"top_units": "7"}, "objective_options": {"objective": "stch"}}


@pytest.mark.parametrize("name", config_lib.FIELDS)
def test_a_flag_may_differ_only_if_it_is_listed(name):
    base = run(**TOGETHER.get(name, {}))
    before = getattr(base.config, name)
    after = CHANGED[name] if name in CHANGED else before + (1 if type(before) is int else 0.25)
    other = run(**{**dataclasses.asdict(base.config), name: after})
    found = difference(settings.record(base, member()), settings.record(other, member()))
    if name in settings.OWN:
        assert found is None
    else:
        assert found.startswith(f"--{name}={before}, not {after}")


def test_other_hosts_are_named():
    swapped = {**HOSTS, "ps": HOSTS["ps"][::-1]}
    found = difference(
        settings.record(run(), member()), settings.record(run(), member("ps", 0, swapped))
    )
    assert found == "--ps_hosts=a:1,a:2, not a:2,a:1"
    with_chief = member("chief", 0, {**HOSTS, "chief": ["d:4"]})
    found = difference(settings.record(run(), with_chief), settings.record(run(), member()))
    assert found == "--chief_hosts=d:4, not missing"


def test_other_data_shows_in_the_scale_of_a_real_task():
    one = run()
    digit, height = one.tasks
    other = one._replace(tasks=(digit, height._replace(mean=2.0)))
    found = difference(settings.record(one), settings.record(other))
    assert found.startswith("scales missing, not {'height': {'mean': 2.0")


def test_other_versions_come_first(monkeypatch):
    theirs = settings.record(run(seed=1), member())
    version = tf.__version__
    monkeypatch.setattr(tf, "__version__", "2.0.0")
    ours = settings.record(run(seed=2), member())
    expected = f"tensorflow {version}, not 2.0.0, and --seed=1, not 2"
    assert difference(theirs, ours) == expected


def test_many_differences_are_counted():
    ours = settings.record(run(seed=1, steps=7, dropout=0.5, batch_size=3, beta1=0.5))
    found = difference(settings.record(run()), ours)
    assert found.endswith(", and 2 other differences") and found.count(", not ") == 3


def test_three_differences_are_all_shown():
    ours = settings.record(run(seed=1, steps=7, dropout=0.5))
    found = difference(settings.record(run()), ours)
    assert found == "--dropout=0.0, not 0.5, and --steps=1900, not 7, and --seed=0, not 1"


def test_a_record_of_another_version_of_mtl_is_compared():
    ours = settings.record(run())
    theirs = {**ours, "mtl": "9.0", "--new": "a\nb" * 200}
    found = difference(theirs, ours)
    assert found.startswith("mtl 9.0, not ") and "\n" not in found
    assert len(found) < 400 and found.endswith(", not missing")
    assert "--seed=missing, not 0" in difference({}, {"--seed": 0})

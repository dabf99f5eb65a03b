"""mtl.machine: usable cores and the settings of TensorFlow."""

import os
import subprocess
import sys

import pytest

from mtl import machine

AVX2 = "fpu sse4_1 avx avx2 fma"


@pytest.fixture
def root(monkeypatch, tmp_path):
    """A function (path, text) that writes a file of the system; there are no others."""
    monkeypatch.setattr(machine, "ROOT", tmp_path)

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    return write


def set_affinity(monkeypatch, count):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(count)), raising=False)


# -- cores -----------------------------------------------------------------------------------------


def test_cores_are_those_of_the_affinity(monkeypatch, root):
    set_affinity(monkeypatch, 3)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 64)
    assert machine.cores() == 3


@pytest.mark.parametrize("count, expected", [(5, 5), (None, 1)])
def test_cores_without_affinity_are_those_of_the_machine(monkeypatch, root, count, expected):
    monkeypatch.delattr(machine.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: count)
    assert machine.cores() == expected


@pytest.mark.parametrize(
    "text, expected",
    [("max 100000\n", 16), ("150000 100000\n", 2), ("400000 100000\n", 4), ("5000 100000\n", 1)]
    + [("9900000 100000\n", 16), ("0 0\n", 16), ("nonsense", 16)],
)
def test_quota_of_cgroup_2_limits_the_cores(monkeypatch, root, text, expected):
    set_affinity(monkeypatch, 16)
    root("proc/self/cgroup", "0::/\n")
    root("sys/fs/cgroup/cpu.max", text)
    assert machine.cores() == expected


def test_tightest_quota_of_the_parent_groups_counts(monkeypatch, root):
    set_affinity(monkeypatch, 16)
    root("proc/self/cgroup", "0::/user/job/step\n")
    root("sys/fs/cgroup/user/job/step/cpu.max", "800000 100000")
    root("sys/fs/cgroup/user/job/cpu.max", "300000 100000")
    root("sys/fs/cgroup/user/cpu.max", "max 100000")
    root("sys/fs/cpu.max", "100000 100000")  # above the mount: not a control group
    assert machine.cores() == 3


@pytest.mark.parametrize("quota, expected", [(250000, 3), (-1, 16)])
def test_quota_of_cgroup_1_limits_the_cores(monkeypatch, root, quota, expected):
    set_affinity(monkeypatch, 16)
    # The path is that of the host. The container sees its own group as the mount.
    root("proc/self/cgroup", "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n")
    root("sys/fs/cgroup/cpu/cpu.cfs_quota_us", f"{quota}\n")
    root("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert machine.cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux sets the affinity")
def test_taskset_limits_the_cores_of_a_process():
    core = min(os.sched_getaffinity(0))
    program = f"import os; os.sched_setaffinity(0, [{core}]); from mtl import machine"
    program += "; print(machine.cores())"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout == b"1\n"


# -- configure -------------------------------------------------------------------------------------


@pytest.fixture
def configure(monkeypatch, root):
    """A function (features, environment, **options) -> (variables set, environment after)."""

    def call(features, environment, **options):
        root("proc/cpuinfo", f"model name : Any\nflags\t\t: {features}\n\nflags : of core 1\n")
        after = dict(environment)
        monkeypatch.setattr(machine.os, "environ", after)
        monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
        return machine.configure(**options), after

    return call


@pytest.mark.parametrize(
    "features, expected",
    [
        (AVX2, "1"),
        (f"{AVX2} avx512f avx512bw", "1"),  # Skylake: TensorFlow leaves oneDNN off
        (f"{AVX2} avx512f avx512_vnni", None),  # TensorFlow enables it by itself
        (f"{AVX2} avx_vnni", None),
        ("fpu sse4_1 avx", None),
        ("", None),
    ],
)
def test_onednn_is_enabled_where_tensorflow_does_not_and_it_is_faster(
    configure, features, expected
):
    new, after = configure(features, {})
    assert new.get("TF_ENABLE_ONEDNN_OPTS") == expected
    assert after == new


@pytest.mark.parametrize("value", ["0", "1", ""])
def test_variables_of_the_user_stay(configure, value):
    environment = {"TF_ENABLE_ONEDNN_OPTS": value, "TF_FORCE_GPU_ALLOW_GROWTH": "false"}
    assert configure(AVX2, environment) == ({}, environment)


def test_memory_growth_can_be_disabled(configure):
    name = "TF_FORCE_GPU_ALLOW_GROWTH"
    assert configure("", {})[1] == {name: "true"}
    assert configure("", {}, gpu_memory_growth=False)[1] == {name: "false"}
    assert configure("", {name: "true"}, gpu_memory_growth=False)[1] == {name: "false"}


def test_nothing_is_set_once_tensorflow_is_imported(monkeypatch, configure):
    configure("", {})
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    monkeypatch.setattr(machine.os, "environ", {})
    assert machine.configure() == {} == machine.os.environ


def test_unknown_line_of_cpuinfo_is_empty(root):
    assert machine.cpuinfo("flags") == ""  # there is no such file
    root("proc/cpuinfo", "model name : A: B\nno colon\n")
    assert (machine.cpuinfo("model name"), machine.cpuinfo("flags")) == ("A: B", "")

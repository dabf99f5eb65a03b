"""The machine: the cores that a process may use, and the settings of TensorFlow for them.

Nothing here imports TensorFlow.
"""

import math
import os
import pathlib
import sys

GPU_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
ROOT = pathlib.Path("/")  # of /proc and /sys, which only Linux has
# With one of these features, TensorFlow enables oneDNN by itself (core/util/port.cc).
ONEDNN_BY_DEFAULT = frozenset(
    ["avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"]
)
# Without them oneDNN still makes training faster if the processor has this one: see "oneDNN" in
# tests/benchmarks/RESULTS.md.
ONEDNN_WINS = "avx2"


def configure(*, gpu_memory_growth=True):
    """Set the environment variables that make TensorFlow fast on this machine.

    Commands call it. A script or notebook calls it before it imports TensorFlow, which reads the
    variables at its import:

        from mtl import machine
        machine.configure()
        import tensorflow.compat.v1 as tf

    A variable that is already set keeps its value. oneDNN changes the last bits of results.

    Args:
      gpu_memory_growth: bool, whether TensorFlow allocates the memory of a GPU as it needs it.
        False also overrides the variable: TensorFlow then allocates nearly all of it at once.
        Without a GPU it has no effect.

    Returns:
      dict name -> value of the variables that this call has set. It is empty once TensorFlow is
      imported.
    """
    if "tensorflow" in sys.modules:
        return {}
    wanted = {GPU_GROWTH: "true"}
    features = set(cpuinfo("flags").split())
    if ONEDNN_WINS in features and not features & ONEDNN_BY_DEFAULT:
        wanted["TF_ENABLE_ONEDNN_OPTS"] = "1"
    new = {name: value for name, value in wanted.items() if name not in os.environ}
    if not gpu_memory_growth:
        new[GPU_GROWTH] = "false"
    os.environ.update(new)
    return new


def cpuinfo(key):
    """Return a line of /proc/cpuinfo of the first core, such as its "model name", or ""."""
    text = _text("proc/cpuinfo")
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def cores():
    """Return the number of cores that this process may use, int, at least 1.

    It is limited by the affinity of the process (taskset, cpusets) and by the CPU quota of its
    container (cgroups 1 and 2). A quota of 1.5 cores counts as 2: with one thread, half a core
    would be idle.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, _quota())))


def _quota():
    """Return the CPU quota of this process in cores, float; infinity without a quota."""
    quota = math.inf
    for line in _text("proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)  # version 2 names no controllers
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = pathlib.PurePosixPath("sys/fs/cgroup", "cpu" if controllers else "")
        # The tightest quota on the way up counts. In a container the path may be that of the host,
        # of which only the last ancestor, the mount, exists here.
        group = mount / path.lstrip("/")
        for each in (group, *group.parents):
            quota = min(quota, _quota_of(each))
            if each == mount:
                break
    return quota


def _quota_of(group):
    """Return the quota of one control group in cores, float; infinity without one."""
    text = _text(group / "cpu.max")  # version 2: "150000 100000", or "max 100000"
    text = text or f"{_text(group / 'cpu.cfs_quota_us')} {_text(group / 'cpu.cfs_period_us')}"
    try:
        quota, period = map(int, text.split())
    except ValueError:
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf  # -1 is no quota


def _text(path):
    """Return the text of a file under ROOT, or "" if it cannot be read."""
    try:
        return (ROOT / path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""What a step sends, and what it does when: from its graph, and from a tf.RunMetadata."""

import re
from typing import NamedTuple

import tensorflow.compat.v1 as tf

WORKER = "worker"
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}  # as TensorFlow prints them
# They wait for others, or do nothing.
_IDLE = re.compile(r"_?(Host)?(Recv|Send)|NoOp|Placeholder|Const|_Arg|Queue|VarHandleOp|Switch|If")
_LABEL = re.compile(r"\[([\d.]+)(\w+)\] \[.*?\] (\S+) from (\S+) to (\S+)")


class Sent(NamedTuple):
    """A tensor that a process receives from another one."""

    source: str  # "ps0"
    target: str  # "worker1"
    name: str
    size: float  # bytes; RunMetadata rounds megabytes to a tenth
    first: float  # seconds at which it was requested
    last: float  # seconds at which it was there


class Phases(NamedTuple):
    """How a worker spends the seconds of a step."""

    receiving: float  # it waits for variables
    computing: float  # with the gaps between operations
    losses: float  # it waits for the losses of the others
    sending: float  # until its last gradient is at a ps
    ending: float  # additions, update, and waiting for the others


def planned(fetch):
    """Return the bytes that an operation sends, dict (source, target) -> bytes.

    Without what is inside the functions of a tf.cond, and what has no static shape.
    """
    found, seen, waiting = {}, set(), [fetch]
    while waiting:
        op = waiting.pop()
        if op in seen:
            continue
        seen.add(op)
        for tensor in op.inputs:
            source, target = _place(tensor.op), _place(op)
            size = tensor.shape.num_elements()
            if source != target and size is not None and tensor.dtype != tf.resource:
                found[tensor.ref(), target] = (source, size * tensor.dtype.size)
            waiting.append(tensor.op)
        waiting += op.control_inputs
    return added([{(source, target): size} for (_, target), (source, size) in found.items()])


def sent(metadata):
    """Return the Sent of all tensors in a RunMetadata."""
    found = []
    for device in metadata.step_stats.dev_stats:
        for node in device.node_stats:
            label = _LABEL.match(node.timeline_label)
            if node.node_name == "RecvTensor" and label:
                first = node.all_start_micros / 1e6
                last = first + node.all_end_rel_micros / 1e6
                size = float(label[1]) * _UNITS[label[2]]
                name = re.sub(r"^edge_\d+_", "", label[3])
                found.append(Sent(_short(label[4]), _short(label[5]), name, size, first, last))
    return found


def totals(found):
    """Return the bytes of a list of Sent, dict (source, target) -> bytes."""
    return added([{(each.source, each.target): each.size} for each in found])


def added(dicts):
    """Return the sum of some dicts key -> number."""
    sums = {}
    for each in dicts:
        for key, value in each.items():
            sums[key] = sums.get(key, 0) + value
    return sums


def loopback_bytes():
    """Return the bytes that the loopback interface has sent so far."""
    with open("/proc/net/dev", encoding="utf-8") as file:
        for line in file:
            name, _, counters = line.partition(":")
            if name.strip() == "lo":
                return int(counters.split()[8])
    raise SystemExit("benchmarks: this machine has no interface lo")


def phases(metadata, seconds):
    """Return the Phases of the worker of a RunMetadata.

    Args:
      metadata: tf.RunMetadata of its session.
      seconds: float, of the whole step.
    """
    busy, starts = _operations(metadata)
    busy = _union(busy)
    moved = [each for each in sent(metadata) if each.size]
    begin = min([*starts, *(each.first for each in moved)])
    here = [each for each in moved if each.target.startswith(WORKER)]
    ready = max([begin, *(each.last for each in here if "ReadVariableOp" in each.name)])
    sums = [each.last for each in here if each.name.endswith("Dequeue")]
    gradients = [each.last for each in moved if each.source.startswith(WORKER)]
    receiving = losses = 0.0
    for (_, first), (last, _) in zip([(0.0, begin), *busy], busy):
        receiving += max(0.0, min(last, ready) - first)
        if any(max(first, ready) < each <= last for each in sums):
            losses += last - max(first, ready)
    done = busy[-1][1]
    arrived = max([done, *gradients])
    computing = done - begin - receiving - losses
    ending = max(0.0, seconds - (arrived - begin))
    return Phases(receiving, computing, losses, arrived - done, ending)


def _operations(metadata):
    """Return the intervals of the worker's operations, and the starts of all operations."""
    busy, starts = [], []
    for device in metadata.step_stats.dev_stats:
        for node in device.node_stats:
            kind = re.search(r" = (\w+)\(", node.timeline_label)
            if not kind:
                continue
            first = node.all_start_micros / 1e6
            starts.append(first)
            if f"/job:{WORKER}" in device.device and not _IDLE.match(kind[1]):
                busy.append((first, first + node.op_end_rel_micros / 1e6))
    return busy, starts


def _union(intervals):
    """Return disjoint intervals, in order."""
    found = []
    for first, last in sorted(intervals):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _place(op):
    """Return where an operation runs: beside its resource, if it has one."""
    for tensor in op.inputs:
        if tensor.dtype == tf.resource and tensor.op.device:
            return _short(tensor.op.device)
    return _short(op.device)


def _short(device):
    """Return "ps0" for /job:ps/replica:0/task:0/device:CPU:0."""
    found = re.search(r"/job:(\w+)/.*?task:(\d+)", device)
    return f"{found[1]}{found[2]}" if found else device

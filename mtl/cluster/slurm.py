"""A cluster from the environment variables that Slurm's `srun` sets for each task of a step.

Read without TensorFlow, whose SlurmClusterResolver does not fit here: it sorts the hosts by name,
so that n10 comes before n9 and a task gets the address of another one; it calls nvidia-smi; and it
fails on nodes without GPUs. Where it works, the addresses are the same, see
tests/cluster/test_slurm.py.
"""

import re

from mtl.cluster import spec
from mtl.errors import UsageError, shown

RANK, NODES, TASKS = "SLURM_PROCID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE"
NODE, LOCAL = "SLURM_NODEID", "SLURM_LOCALID"  # of this task; they show how srun placed the tasks
MAX_NODES = 100_000  # of one range in brackets
PART = r"(?:[\w.-]|\[[0-9,-]+\])+"  # of a host list: a name with any number of ranges
# What an error calls each part.
NAMES = {**dict.fromkeys(("job", "index"), RANK), **dict.fromkeys(spec.SERVING, NODES)}


def describe(environment, ps, port):
    """Return the description of the step, dict part -> value; see spec.FLAGS for the parts.

    The first tasks are the parameter servers, the others the workers. The tasks of a node get the
    ports from `port` on.

    Args:
      environment: dict str -> str.
      ps: int, how many tasks are parameter servers.
      port: int.

    Raises:
      UsageError: this is no step of Slurm, or it has too few tasks, or they are placed in an order
        that this function does not compute.
    """
    for name in (RANK, NODES, TASKS):
        if name not in environment:
            cure = f"start all members with: srun mtl train --slurm_ps={ps} ..."
            raise UsageError(f"--slurm_ps={ps}, but {name} is not set; {cure}")
    rank = _number(RANK, environment[RANK])
    hosts, counts = expand_hosts(environment[NODES]), expand_counts(environment[TASKS])
    if len(hosts) != len(counts):
        what = f"{NODES} has {len(hosts)} nodes, but {TASKS} has {len(counts)}"
        raise UsageError(f"{what}; use --ps_hosts and --worker_hosts instead of --slurm_ps")
    placed = [(node, task) for node, count in enumerate(counts) for task in range(count)]
    if ps >= len(placed):
        cure = "start more tasks with srun --ntasks, or use fewer"
        raise UsageError(f"--slurm_ps={ps} of {len(placed)} tasks leaves no worker; {cure}")
    _check_placement(environment, rank, placed)
    if port + max(counts) - 1 > 65535:
        cure = "use a lower number"
        raise UsageError(f"--slurm_port={port}: the ports of a node would exceed 65535; {cure}")
    addresses = tuple(f"{hosts[node]}:{port + task}" for node, task in placed)
    described = {"ps": addresses[:ps], "worker": addresses[ps:]}
    job, index = ("ps", rank) if rank < ps else ("worker", rank - ps)
    return {"job": job, "index": index, **described}


def _check_placement(environment, rank, placed):
    """Raise UsageError if srun has placed this task elsewhere than node by node."""
    if rank >= len(placed):
        cure = "start all members in one step of srun"
        raise UsageError(f"{RANK}={rank}, but the step has {len(placed)} tasks; {cure}")
    if NODE in environment and LOCAL in environment:
        found = (_number(NODE, environment[NODE]), _number(LOCAL, environment[LOCAL]))
        if found != placed[rank]:
            what = f"task {rank} is on node {found[0]}, not on node {placed[rank][0]}"
            raise UsageError(f"--slurm_ps: {what}; use srun --distribution=block")


def expand_hosts(text):
    """Return the hosts in a host list of Slurm as a list of str: n[08-10],m is n08, n09, n10, m."""
    if not re.fullmatch(f"{PART}(?:,{PART})*", text, re.ASCII):
        raise _unreadable(NODES, text)
    hosts = []
    for part in re.findall(PART, text, re.ASCII):
        hosts += _expanded(part, text)
    return hosts


def _expanded(part, text):
    """Return the hosts of one part of a host list; it may have several ranges in brackets."""
    match = re.search(r"\[([^\[\]]*)\]", part)
    if not match:
        return [part]
    numbers = []
    for each in match[1].split(","):
        ends = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", each, re.ASCII)
        if not ends:
            raise _unreadable(NODES, text)
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if not 0 <= last - first < MAX_NODES:
            raise _unreadable(NODES, text)
        numbers += [str(number).zfill(len(ends[1])) for number in range(first, last + 1)]
    before, after = part[: match.start()], _expanded(part[match.end() :], text)
    return [before + number + rest for number in numbers for rest in after]


def expand_counts(text):
    """Return the number of tasks of each node as a list of int: 3(x2),1 is 3, 3, 1."""
    counts = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,6})(?:\(x([0-9]{1,5})\))?", part, re.ASCII)
        if not match:
            raise _unreadable(TASKS, text)
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _number(name, text):
    """Return an environment variable as an int from 0."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _unreadable(name, text)
    return int(text)


def _unreadable(name, text):
    """Return the error of an environment variable that is not as Slurm writes it."""
    cure = "use --ps_hosts and --worker_hosts instead of --slurm_ps"
    return UsageError(f"{name}={shown(text)[:80]} cannot be read; {cure}")

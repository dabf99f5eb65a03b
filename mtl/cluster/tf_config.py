"""A cluster from the environment variable TF_CONFIG, which Kubeflow and other services set.

Read without TensorFlow, whose TFConfigClusterResolver accepts any list as an address and any number
as an index. The values of a valid TF_CONFIG are the same, see tests/cluster/test_tf_config.py.
"""

import json

from mtl.cluster import spec
from mtl.errors import UsageError

NAMES = {
    "job": "TF_CONFIG task.type",
    "index": "TF_CONFIG task.index",
    "chief": "TF_CONFIG cluster.chief",
    "worker": "TF_CONFIG cluster.worker",
    "ps": "TF_CONFIG cluster.ps",
}
CURE = "correct it, or unset TF_CONFIG to train on one machine"


def parse(text):
    """Return the description in TF_CONFIG, dict part -> value; see spec.FLAGS for the parts.

    An address list is a tuple; a job without one is left out.

    Args:
      text: str, or None: not set.

    Returns:
      dict; empty if TF_CONFIG describes no cluster.

    Raises:
      UsageError: it is not JSON, or not of the form of a TF_CONFIG.
    """
    if not (text or "").strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"TF_CONFIG is not JSON ({error}); {CURE}") from None
    cluster, task = (_object(found, name) for name in ("cluster", "task"))
    if not cluster and not task:
        return {}
    if not cluster or not task:
        missing = "task" if cluster else "cluster"
        raise UsageError(f'TF_CONFIG has no "{missing}"; {CURE}')
    unknown = sorted(set(cluster) - set(spec.JOBS))
    if unknown:
        cure = f"the jobs are {', '.join(spec.JOBS)}; correct it, or unset TF_CONFIG"
        raise UsageError(f"TF_CONFIG cluster has the unknown job {unknown[0]!r:.80}; {cure}")
    hosts = {job: _addresses(job, cluster[job]) for job in spec.SERVING if job in cluster}
    description = {job: addresses for job, addresses in hosts.items() if addresses}
    description["job"] = _job(task)
    index = _index(task)
    if index is not None:
        description["index"] = index
    return description


def agreed(flags, text):
    """Return the description in TF_CONFIG, or that of the flags where it has none.

    Services that start a single process set TF_CONFIG too: a worker without a parameter server
    trains on one machine, as without TF_CONFIG.

    Args:
      flags: dict part -> value, of the flags that are given.
      text: str, the value of TF_CONFIG, or None.

    Returns:
      (dict part -> value, empty on one machine; dict part -> what an error calls it).

    Raises:
      UsageError: a flag has another value than TF_CONFIG, or see `parse`.
    """
    described = parse(text)
    if not described:
        return flags, spec.FLAGS
    for part, value in flags.items():
        other = described.get(part, "missing")
        if other != value:
            what = f"{spec.FLAGS[part]}={_text(value)}, but {NAMES[part]} is {_text(other)}"
            raise UsageError(f"{what}; remove the flag, or unset TF_CONFIG")
    return ({} if _is_alone(described) else described), NAMES


def _is_alone(described):
    """Return whether a description has a single process, which trains."""
    jobs = [job for job in spec.SERVING if job in described]
    one = jobs == [described["job"]] and len(described[jobs[0]]) == 1
    return one and jobs != [spec.PS] and described.get("index", 0) == 0


def _object(found, name):
    """Return a member of a JSON object that is an object itself; empty if it is missing."""
    value = found.get(name, {}) if isinstance(found, dict) else found
    if not isinstance(value, dict):
        where = f"TF_CONFIG {name}" if isinstance(found, dict) else "TF_CONFIG"
        raise UsageError(f"{where} is not a JSON object; {CURE}")
    return value


def _addresses(job, value):
    """Return the addresses of a job as a tuple."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        cure = 'write them as ["host:port", ...]'
        raise UsageError(f"{NAMES[job]} is not a list of addresses; {cure}")
    return tuple(value)


def _job(task):
    """Return the job of this process."""
    job = task.get("type")
    if not isinstance(job, str):
        raise UsageError(f"{NAMES['job']} is not one of {', '.join(spec.JOBS)}; {CURE}")
    return job


def _index(task):
    """Return the index of this process as an int, None if it is missing; "1" counts as 1."""
    index = task.get("index")
    if isinstance(index, str) and index.isascii() and index.isdigit() and len(index) < 10:
        return int(index)
    if index is None or type(index) is int:
        return index
    raise UsageError(f"{NAMES['index']} is not an integer from 0; {CURE}")


def _text(value):
    return ",".join(value) if isinstance(value, tuple) else value

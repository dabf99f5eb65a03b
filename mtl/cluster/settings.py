"""The settings that all members of a cluster must share, as a record for the board."""

import dataclasses
import json

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import __version__, run_files
from mtl.cluster import spec

# They may differ: they change no graph but that of their own process, or only what the chief does.
OWN = (
    "data_dir",
    "init_from",
    "log_every",
    "patience",
    "save_every",
    "threads",
    "views",
    "workers",
)
SHOWN = 3  # differences in a message
LONGEST = 200  # characters of a value in a message


def record(run, cluster=None):
    """Return the settings of a member as a dict of what JSON can hold.

    Args:
      run: run_files.Run. Its tasks and inputs come from the data, so they show other data too.
      cluster: spec.Cluster. Variables are placed by position, so members with other lists of
        parameter servers would not find them.
    """
    flags = dataclasses.asdict(run.config)
    hosts = cluster.spec if cluster else {}
    found = {
        **{f"--{name}": value for name, value in flags.items() if name not in OWN},
        **{spec.FLAGS[job]: ",".join(addresses) for job, addresses in hosts.items()},
        "--partition_mb": cluster.largest / spec.MB if cluster else 0.0,
        **run_files.to_json(run),
        # Operations belong to the version of TensorFlow, the order of the data to that of NumPy.
        "mtl": __version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
    return json.loads(json.dumps(found))  # as the others read it: a tuple is a list


def difference(theirs, ours):
    """Return how two records differ, such as "--seed=1, not 2"; None if they are equal.

    Args:
      theirs, ours: dict of `record`; theirs may be of another version of mtl.
    """
    names = dict.fromkeys([*theirs, *ours])
    different = [name for name in names if theirs.get(name) != ours.get(name)]
    if not different:
        return None
    # A version explains other differences.
    different.sort(key=lambda name: name not in ("mtl", "tensorflow", "numpy"))
    texts = []
    for name in different[:SHOWN]:
        joined = "=" if name.startswith("--") else " "
        texts.append(f"{name}{joined}{_text(theirs, name)}, not {_text(ours, name)}")
    if len(different) > SHOWN:
        texts.append(f"{len(different) - SHOWN} other differences")
    return ", and ".join(texts)


def _text(found, name):
    return " ".join(str(found[name]).split())[:LONGEST] if name in found else "missing"

"""What tests compare of run directories: variables, metrics, checkpoints and bytes."""

import hashlib
import json

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint


def variables_of(path):
    """Return all variables of a checkpoint, Adam's slots included, dict name -> array."""
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same_variables(path, other):
    """Assert that two checkpoints hold the same bits."""
    one, two = variables_of(path), variables_of(other)
    assert sorted(one) == sorted(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def saved_steps(directory):
    """List the steps of the complete checkpoints of a directory."""
    return [checkpoint.step_of(path) for path in checkpoint.all_of(str(directory))]


def metrics_of(directory):
    """Return metrics.jsonl as a list of dict."""
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(directory, reference):
    """Assert that two runs ended alike: newest and best weights, metrics, and names of files."""
    for part in ("", "best"):
        newest = [checkpoint.newest(str(each / part)) for each in (directory, reference)]
        assert checkpoint.step_of(newest[0]) == checkpoint.step_of(newest[1])
        assert_same_variables(*newest)
    assert metrics_of(directory) == metrics_of(reference)
    names = []
    for each in (directory, reference):
        paths = (path.relative_to(each).as_posix() for path in each.rglob("*"))
        # Who writes them differs: a library run has no flags, a command has a lock.
        names.append({name for name in paths if name not in ("flags.flags", "versions.json")})
    assert names[0] == names[1]


def fingerprint(directory):
    """Return the content and the time of change of every file."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }

"""Read and compare run directories: variables, metrics, checkpoints and bytes."""

import hashlib
import json

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint


def variables_of(path):
    """Return all variables of a checkpoint with Adam's slots, dict name -> array."""
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same_variables(path, other):
    """Assert that two checkpoints hold the same bits."""
    found, expected = variables_of(path), variables_of(other)
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def saved_steps(directory):
    """List the steps of the complete checkpoints of a directory."""
    return [checkpoint.step_of(path) for path in checkpoint.all_of(str(directory))]


def metrics_of(directory):
    """Return metrics.jsonl as a list of dict."""
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def evaluated_steps(directory):
    """List the steps in metrics.jsonl."""
    return [row["step"] for row in metrics_of(directory)]


def file_names(directory):
    """Return the relative paths of a run that every kind of run writes."""
    paths = {path.relative_to(directory).as_posix() for path in directory.rglob("*")}
    # `mtl train` writes these, train.run alone does not.
    return paths - {"flags.flags", "versions.json", "monitor.json"}


def assert_same_run(directory, reference):
    """Assert that two runs have the same newest and best weights, metrics and file names."""
    for part in ("", "best"):
        newest = checkpoint.newest(str(directory / part))
        expected = checkpoint.newest(str(reference / part))
        assert checkpoint.step_of(newest) == checkpoint.step_of(expected)
        assert_same_variables(newest, expected)
    assert metrics_of(directory) == metrics_of(reference)
    assert file_names(directory) == file_names(reference)


def fingerprint(directory):
    """Return the hash and the time of the last change of each file, dict path -> tuple."""
    files = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            files[str(path)] = (digest, path.stat().st_mtime_ns)
    return files

"""Reading event files, for tests of who writes them."""

import tensorflow.compat.v1 as tf

from mtl.monitor import tensorboard


def read(directory):
    """Return all events of a run directory, in the order of its files."""
    paths = sorted(path for path in directory.iterdir() if path.name.startswith(tensorboard.PREFIX))
    return [
        tf.Event.FromString(record)
        for path in paths
        for record in tf.io.tf_record_iterator(str(path))
    ]


def scalars(directory):
    """Return {(step, tag): value} of all scalars."""
    found = {}
    for event in read(directory):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                assert (event.step, value.tag) not in found, "written twice"
                found[event.step, value.tag] = value.simple_value
    return found

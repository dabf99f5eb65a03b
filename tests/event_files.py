"""Read the event files of a run directory."""

import tensorflow.compat.v1 as tf

from mtl.monitor import event_files


def read(directory):
    """Return all events of a run directory, file by file."""
    events = []
    for path in sorted(directory.glob(f"{event_files.PREFIX}*")):
        for record in tf.io.tf_record_iterator(str(path)):
            events.append(tf.Event.FromString(record))
    return events


def scalars(directory):
    """Return all scalars, dict (step, tag) -> value; assert that none is written twice."""
    found = {}
    for event in read(directory):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                key = event.step, value.tag
                assert key not in found, f"{key} is written twice"
                found[key] = value.simple_value
    return found

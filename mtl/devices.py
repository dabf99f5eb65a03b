"""The device that TensorFlow computes on: a GPU if it finds one, else the processor."""

import tensorflow.compat.v1 as tf


def gpus():
    """List the GPUs that TensorFlow can use, as "NVIDIA H100 80GB HBM3".

    It uses the first. CUDA_VISIBLE_DEVICES selects another one, and hides all of them if empty.
    """
    names = []
    for device in tf.config.experimental.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        names.append(details.get("device_name", device.name))
    return names


def placement(threads, towers):
    """Return what computes the training steps, in words.

    Args:
      threads: int, of the run.
      towers: int, see sessions.towers_of.
    """
    found = gpus()
    if found:
        return f"on {found[0]} (GPU 0 of {len(found)})"
    return f"on the processor, with {_count(threads, 'thread')} and {_count(towers, 'tower')}"


def _count(number, noun):
    return f"{number} {noun}" + "s" * (number != 1)

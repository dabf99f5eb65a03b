"""Pack a run as the packaged network: python -m mtl.pretrained.make RUN [best|last]."""

import os
import shutil
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.errors import MtlError
from mtl.runs import find

USAGE = "python -m mtl.pretrained.make RUN [best|last]"
RECORDS = (checkpoint.CONFIG, checkpoint.FLAGS, checkpoint.VERSIONS)


def pack(run: str, directory: str, which: str = "best") -> str:
    """Write the weights of a run into another directory, in half precision.

    Args:
      run: a run directory.
      directory: created if missing; its checkpoints are replaced.
      which: the checkpoint, as in `mtl evaluate --checkpoint`.

    Returns:
      The path of the new checkpoint.

    Raises:
      DataError: the run has no checkpoint, or a file cannot be read or written.
    """
    path = find.checkpoint(run, which)
    weights = _weights(path)
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        if name.startswith(checkpoint.PREFIX):
            os.remove(os.path.join(directory, name))
    _save(weights, directory, checkpoint.step_of(path))
    # The package has one checkpoint, so nothing reads this file.
    os.remove(os.path.join(directory, checkpoint.STATE))
    for name in RECORDS:
        shutil.copyfile(os.path.join(run, name), os.path.join(directory, name))
    return checkpoint.newest(directory)


def _weights(path):
    """Read the weights of a checkpoint without Adam's slots, dict name -> float16 array."""
    reader = tf.train.load_checkpoint(path)
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith(("/w", "/b"))]
    return {name: reader.get_tensor(name).astype(np.float16) for name in names}


def _save(weights, directory, step):
    """Save arrays as the checkpoint of a step."""
    zeros = tf.zeros_initializer()
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {}
        for name, value in weights.items():
            variable = tf.get_variable(name, value.shape, tf.float16, zeros, use_resource=True)
            variable.load(value, session)
            variables[name] = variable
        saver = tf.train.Saver(variables, save_relative_paths=True)
        checkpoint.save(saver, session, directory, step)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(f"{USAGE}: name one run directory")
    try:
        print(pack(sys.argv[1], find.PACKAGED["pretrained"], *sys.argv[2:3]))
    except (MtlError, OSError) as error:
        sys.exit(f"{USAGE}: {error}")

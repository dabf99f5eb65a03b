"""Pack a run in half precision as the run directory that comes with the package: python -m mtl.pretrained.make RUN [best|last]."""

import os
import shutil
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.errors import MtlError
from mtl.runs import directories

RECORDS = (
    checkpoint.CONFIG,
    "flags.flags",
    "versions.json",
)  # what the run was, beside the weights


def pack(run, directory, which="best"):
    """Write the weights of a run directory into another, each rounded to the nearest number of half precision.

    Args:
      run: str, a run directory.
      directory: str, made where it does not exist; a packed run that is there is replaced.
      which: str, which of its checkpoints, as `mtl evaluate --checkpoint` has it.

    Returns:
      str, the path of the checkpoint written.

    Raises:
      DataError: the run has no checkpoint, or it or the directory cannot be read or written.
    """
    path = directories.find(run, which)
    reader = tf.train.load_checkpoint(path)
    weights = {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith(("/w", "/b"))
    }
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        if name.startswith(checkpoint.PREFIX):
            os.remove(os.path.join(directory, name))
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable(
                name, value.shape, tf.float16, initializer=tf.zeros_initializer(), use_resource=True
            )
            for name, value in weights.items()
        }
        for name, variable in variables.items():
            session.run(
                variable.initializer,
                {variable.initializer.inputs[1]: weights[name].astype(np.float16)},
            )
        checkpoint.save(
            tf.train.Saver(variables, save_relative_paths=True),
            session,
            directory,
            checkpoint.step_of(path),
        )
    os.remove(
        os.path.join(directory, "checkpoint")
    )  # nothing reads it, and it holds the time of day
    for name in RECORDS:
        shutil.copyfile(os.path.join(run, name), os.path.join(directory, name))
    return checkpoint.newest(directory)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("python -m mtl.pretrained.make RUN [best|last]: name one run directory")
    try:
        print(pack(sys.argv[1], directories.PACKAGED["pretrained"], *sys.argv[2:3]))
    except (MtlError, OSError) as error:
        sys.exit(f"python -m mtl.pretrained.make RUN [best|last]: {error}")

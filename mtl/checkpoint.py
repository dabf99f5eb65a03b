"""The files of a run directory: weights, the record the run was made from, and its metrics.

Checkpoints are found by looking at the files `model.ckpt-N.index`, which TensorFlow writes last, not by reading the file
`checkpoint`: where that one is lost or damaged, believing it would start a run over in silence.
"""

import json
import os
import re

import tensorflow.compat.v1 as tf

from mtl import config as config_lib
from mtl.errors import DataError

PREFIX = "model.ckpt"
BEST = "best"
CONFIG, METRICS, FLAGS, VERSIONS = "config.json", "metrics.jsonl", "flags.flags", "versions.json"


def newest(directory):
    """Return the path of the newest complete checkpoint of a directory, or None where there is none."""
    if not os.path.isdir(directory):
        return None
    found = [re.fullmatch(re.escape(PREFIX) + r"-(\d+)\.index", name) for name in os.listdir(directory)]
    steps = [int(match[1]) for match in found if match]
    return os.path.join(directory, f"{PREFIX}-{max(steps)}") if steps else None


def step_of(path):
    """Return the training step of a checkpoint's path, .../model.ckpt-N.

    Raises:
      DataError: the path does not end in -N.
    """
    match = re.search(r"-(\d+)$", path)
    if not match:
        raise DataError(f"{path}: not the path of a checkpoint, which ends like {PREFIX}-1000")
    return int(match[1])


def find(model_dir, which="best"):
    """Find a checkpoint of a run.

    Args:
      model_dir: str, a run directory.
      which: "best" (by validation; the newest where no best was kept), "last", or the path of a checkpoint.

    Returns:
      str, a path without the ending .index.

    Raises:
      DataError: there is no such checkpoint.
    """
    if which in ("best", "last"):
        best = newest(os.path.join(model_dir, BEST)) if which == "best" else None
        path = best or newest(model_dir)
        if path is None:
            raise DataError(f"{model_dir}: no checkpoint in this folder; train one with: mtl train --model_dir={model_dir}")
        return path
    path = which[: -len(".index")] if which.endswith(".index") else which
    if not os.path.isfile(path + ".index"):
        raise DataError(f"{path}: no such checkpoint; --checkpoint takes best, last or a path like {model_dir}/{PREFIX}-1000")
    return path


def restore(session, variables, path):
    """Read variables from a checkpoint, after holding every name, shape and dtype against it.

    TensorFlow itself restores a tensor of another shape in silence (its issue 52220).

    Args:
      session: tf.Session of the variables' graph, not finalized.
      variables: dict name in the checkpoint -> variable.
      path: str, a checkpoint.

    Raises:
      DataError: a variable is missing or of another shape or dtype, or the file is damaged.
    """
    try:
        reader = tf.train.load_checkpoint(path)
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        for name, variable in variables.items():
            if name not in shapes:
                raise DataError(f"{path}: holds no variable {name}: it is of another network; choose its --bottom, or another folder")
            stored, wanted = list(shapes[name]), variable.shape.as_list()
            if stored != wanted or dtypes[name] != variable.dtype.base_dtype:
                raise DataError(
                    f"{path}: variable {name} has shape {stored} of {dtypes[name].name}, the network wants {wanted} of "
                    f"{variable.dtype.base_dtype.name}: it is of another network; choose its --bottom, or another folder"
                )
        tf.train.Saver(variables).restore(session, path)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be read ({_first_line(error)}); take another checkpoint with --checkpoint=PATH") from error


def _first_line(error):
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def write_text(path, text):
    """Write a text file so that it is there whole or not at all."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def read_config(model_dir):
    """Read the record a run was made from.

    Args:
      model_dir: str, a run directory.

    Returns:
      config.Config.

    Raises:
      DataError: config.json is missing or is not such a record.
    """
    path = os.path.join(model_dir, CONFIG)
    try:
        with open(path, encoding="utf-8") as file:
            return config_lib.Config.from_dict(json.load(file)["config"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: not a run directory; train one with: mtl train --model_dir={model_dir}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not the record of a run ({_first_line(error)}); take it from a copy of the run") from None


def read_metrics(model_dir, up_to):
    """Return the evaluations of a run (list of dict) up to a step; a damaged or later line ends the list."""
    rows = []
    try:
        with open(os.path.join(model_dir, METRICS), encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if row["step"] > up_to:
                    break
                rows.append(row)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # a line cut off by a kill is later than the checkpoint
    return rows

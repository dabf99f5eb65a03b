"""The files of a run directory: weights, the record the run was made from, and its metrics.

Checkpoints are found by the files `model.ckpt-N.index`, which TensorFlow writes last, not by the file `checkpoint`: where that one is
lost or damaged, believing it would start a run over in silence.
"""

import json
import os
import re

import tensorflow.compat.v1 as tf

from mtl import config as config_lib
from mtl.errors import DataError

PREFIX, BEST, CONFIG, METRICS = "model.ckpt", "best", "config.json", "metrics.jsonl"
UNREADABLE = (tf.errors.OpError, ValueError, RuntimeError, LookupError)  # what TensorFlow raises of a damaged checkpoint


def all_of(directory):
    """List the paths of a directory's complete checkpoints (.../model.ckpt-N), oldest first; none where there is no such directory."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    found = [re.fullmatch(re.escape(PREFIX) + r"-(\d+)\.index", name) for name in names]
    return [os.path.join(directory, f"{PREFIX}-{step}") for step in sorted(int(match[1]) for match in found if match)]


def newest(directory):
    """Return the path of the newest complete checkpoint of a directory, or None where there is none."""
    return (all_of(directory) or [None])[-1]


def step_of(path):
    """Return the training step of a checkpoint's path, .../model.ckpt-N; DataError where it does not end in -N."""
    match = re.search(r"-(\d+)$", path)
    if not match:
        raise DataError(f"{path}: not the path of a checkpoint, which ends like {PREFIX}-1000")
    return int(match[1])


def read(path, wanted):
    """Return tensors of a checkpoint, dict name -> array; DataError where one is not as `wanted`, dict name -> (shape, tf.DType).

    TensorFlow itself restores another shape in silence (its issue 52220). Half precision, as packaged weights have, is read as float32.
    """
    cure = "it is of another network; choose its --bottom, or another folder"
    try:
        reader = tf.train.load_checkpoint(path)
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        for name, (shape, dtype) in wanted.items():
            if name not in shapes:
                raise DataError(f"{path}: holds no variable {name}: {cure}")
            if shapes[name] != shape or dtypes[name] not in (dtype, tf.float16 if dtype == tf.float32 else dtype):
                raise DataError(f"{path}: variable {name} is {dtypes[name].name} {shapes[name]}, not {dtype.name} {shape}: {cure}")
        return {name: reader.get_tensor(name).astype(dtype.as_numpy_dtype) for name, (_, dtype) in wanted.items()}
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read ({first_line(error)}); remove its files to go on with the one before") from error


def restore(session, variables, path):
    """Give variables of a session's graph, dict name in the checkpoint -> variable, their values there, as `read` does: all or none."""
    for name, value in read(path, {name: (each.shape.as_list(), each.dtype.base_dtype) for name, each in variables.items()}).items():
        session.run(variables[name].initializer, {variables[name].initializer.inputs[1]: value})


def first_line(error):
    """Return the first line of what an exception says, without where in a graph, cut to 200 characters; its kind where it says nothing."""
    said = re.sub(r"(?s)^Graph execution error:.*?\nNode: [^\n]*\n", "", str(error)).strip()
    return said.splitlines()[0][:200] if said else type(error).__name__


def save(saver, session, directory, step):
    """Write a checkpoint of a step; DataError where the directory cannot be written, and the checkpoints before are untouched."""
    try:
        os.makedirs(directory, exist_ok=True)
        saver.save(session, os.path.join(directory, PREFIX), global_step=step, write_meta_graph=False)
    except (tf.errors.OpError, OSError) as error:
        raise DataError(f"{directory}: cannot save step {step} ({first_line(error)}); make room, then repeat the command") from error


def write_records(model_dir, texts, metrics):
    """Write text files of a run, dict file name -> text, and its evaluations so far, list of dict, as the whole of metrics.jsonl.

    Each file is written whole or not at all; DataError where the directory cannot be written.
    """
    try:
        os.makedirs(model_dir, exist_ok=True)
        for name, text in {**texts, METRICS: "".join(json.dumps(row) + "\n" for row in metrics)}.items():
            path = os.path.join(model_dir, name)
            with open(path + ".tmp", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(path + ".tmp", path)
    except OSError as error:
        raise DataError(f"{model_dir}: cannot be written ({error.strerror}); make room or choose another --model_dir") from error


def read_config(model_dir):
    """Return the config.Config a run directory was made from; DataError where config.json is missing or not such a record."""
    path = os.path.join(model_dir, CONFIG)
    try:
        with open(path, encoding="utf-8") as file:
            return config_lib.Config.from_dict(json.load(file)["config"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: not a run directory; train one with: mtl train --model_dir={model_dir}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not the record of a run ({first_line(error)}); take it from a copy of the run") from None


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
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # a line cut off by a kill is later than the checkpoint
    return rows

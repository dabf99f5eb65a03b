"""The file names of a run directory, and its checkpoints: find, save, restore.

A checkpoint is found by its file `model.ckpt-N.index`, which TensorFlow writes last. The file
`checkpoint` is not used: if it were lost or damaged, the run would start over.
"""

import contextlib
import errno
import os
import re
import tempfile
from typing import List, NamedTuple, Tuple

import tensorflow.compat.v1 as tf

from mtl.errors import DataError
from mtl.tasks import SHARED

# All names in a run directory, except those of TensorBoard's event files.
PREFIX = "model.ckpt"
STATE = "checkpoint"  # where TensorFlow's tools look for the newest checkpoint
BEST = "best"
CONFIG = "config.json"
FLAGS = "flags.flags"
VERSIONS = "versions.json"
METRICS = "metrics.jsonl"
MONITOR = "monitor.json"  # see monitor/floor.py
LOCK = "lock"
KEEP = 2  # checkpoints, besides the best one

PART = re.compile(rf"({re.escape(PREFIX)}-\d+)\.(data-\d+-of-\d+|index)")
INDEX = re.compile(rf"{re.escape(PREFIX)}-(\d+)\.index")
# The names that a run writes, and the checkpoints of any TensorFlow program.
RUN_FILE = re.compile(
    "|".join(map(re.escape, (STATE, BEST, FLAGS, VERSIONS, METRICS, MONITOR)))
    + r"|.+-\d+\.(index|meta)|.+\.data-\d+-of-\d+"
)
# What TensorFlow raises for a damaged checkpoint.
UNREADABLE = (tf.errors.OpError, ValueError, RuntimeError, LookupError)


# -- find ------------------------------------------------------------------------------------------


def all_of(directory):
    """List the paths of the complete checkpoints of a directory, DIR/model.ckpt-N, oldest first."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    found = [match for match in map(INDEX.fullmatch, names) if match]
    steps = sorted(int(match[1]) for match in found)
    return [os.path.join(directory, f"{PREFIX}-{step}") for step in steps]


def newest(directory):
    """Return the path of the newest complete checkpoint of a directory, or None."""
    return (all_of(directory) or [None])[-1]


def step_of(path):
    """Return the step N of a checkpoint, DIR/model.ckpt-N; raise DataError for any other path."""
    match = re.search(r"-(\d+)$", path)
    if not match:
        raise DataError(f"{path}: not a checkpoint; give a path that ends like {PREFIX}-1000")
    return int(match[1])


# -- paths that TensorFlow cannot open -------------------------------------------------------------


@contextlib.contextmanager
def opened(path):
    """Open a checkpoint in TensorFlow's reader, in `with`.

    TensorFlow treats a path as a pattern: run[1] matches run1 (TensorFlow issue 4273). A path with
    such characters is read through symbolic links.
    """
    with contextlib.ExitStack() as stack:
        if not _is_literal(path):
            suffixes = (".index", ".data-00000-of-00001")
            targets = {PREFIX + suffix: path + suffix for suffix in suffixes}
            path = os.path.join(stack.enter_context(_links(targets)), PREFIX)
        yield tf.train.load_checkpoint(path)


def _is_literal(path):
    """Return whether TensorFlow opens exactly this path: UTF-8 without pattern characters."""
    pattern = set("*?[\\").intersection(path.replace(os.sep, "/"))
    try:
        return not pattern and os.fsencode(path) == path.encode()
    except UnicodeEncodeError:
        return False


@contextlib.contextmanager
def _links(targets):
    """Create a temporary folder of symbolic links, dict name -> path, in `with`; yield its path."""
    usual = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    folders = [folder for folder in usual if _is_literal(folder) and os.path.isdir(folder)]
    if not folders:
        cure = "set TMPDIR to one without *?["
        raise DataError(f"{usual[0]}: TensorFlow cannot use this temporary folder; {cure}")
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mtl-", dir=folders[0]))
            for name, path in targets.items():
                os.symlink(os.path.abspath(path), os.path.join(folder, name))
        except OSError as error:
            cure = "free some space, or set TMPDIR to another folder"
            raise DataError(f"{folders[0]}: cannot be written ({error.strerror}); {cure}") from None
        yield folder


# -- restore and save ------------------------------------------------------------------------------


def read(path, wanted):
    """Read tensors of a checkpoint.

    Args:
      path: str, without .index.
      wanted: dict name -> (shape, tf.DType). float16, the type of the packaged weights, is accepted
        for float32 and converted.

    Returns:
      dict name -> array.

    Raises:
      DataError: a tensor is missing, or has another shape or type. TensorFlow itself accepts
        another shape without an error (TensorFlow issue 52220).
    """
    cure = "it belongs to another network; use its own run directory, or train with its --bottom"
    try:
        with opened(path) as reader:
            shapes = reader.get_variable_to_shape_map()
            dtypes = reader.get_variable_to_dtype_map()
            for name, (shape, dtype) in wanted.items():
                if name not in shapes:
                    raise DataError(f"{path}: holds no variable {name}; {cure}")
                accepted = (tf.float16, tf.float32) if dtype == tf.float32 else (dtype,)
                if shapes[name] != shape or dtypes[name] not in accepted:
                    found = f"{dtypes[name].name} {shapes[name]}, not {dtype.name} {shape}"
                    raise DataError(f"{path}: variable {name} is {found}; {cure}")
            return {
                name: reader.get_tensor(name).astype(dtype.as_numpy_dtype)
                for name, (_, dtype) in wanted.items()
            }
    except UNREADABLE as error:
        cure = "restore it from a copy, or name another"
        raise DataError(f"{path}: cannot be read ({first_line(error)}); {cure}") from error


class _Stored(NamedTuple):
    """Where a checkpoint has a variable: the parts of a divided one are parts of one tensor."""

    name: str
    shape: List[int]
    part: Tuple[slice, ...]


def _stored(name, variable):
    info = variable._get_save_slice_info()  # of a partitioner; TensorFlow has no public function
    if info is None:
        return _Stored(name, variable.shape.as_list(), ())
    ends = [first + size for first, size in zip(info.var_offset, info.var_shape)]
    part = tuple(slice(first, end) for first, end in zip(info.var_offset, ends))
    return _Stored(info.full_name, list(info.full_shape), part)


def saver(variables):
    """Return a tf.train.Saver; variables: dict as of `restore`."""
    found = {}
    for name, variable in variables.items():
        stored = _stored(name, variable)
        if stored.part:
            found.setdefault(stored.name, []).append(variable)
        else:
            found[name] = variable
    return tf.train.Saver(found)


def restore(session, variables, path):
    """Restore variables from a checkpoint, all or none.

    Args:
      session: tf.Session.
      variables: dict name in the checkpoint -> variable of the session's graph. A part of a
        variable may have any name.
      path: str, without .index.

    Raises:
      DataError: see `read`.
    """
    stored = {name: _stored(name, variable) for name, variable in variables.items()}
    wanted = {}
    for name, variable in variables.items():
        wanted[stored[name].name] = (stored[name].shape, variable.dtype.base_dtype)
    values = read(path, wanted)
    # Fed to the initializers, because an assignment would add an operation to the graph.
    initializers = {name: variables[name].initializer for name in variables}
    fed = {
        initializers[name].inputs[1]: values[each.name][each.part] for name, each in stored.items()
    }
    session.run(initializers, fed)


def transfer(session, weights, path):
    """Restore the weights of another run: those of the bottom, and of the tasks that both have.

    Args:
      session: tf.Session.
      weights: dict name -> variable of the session's graph.
      path: str, without .index.

    Returns:
      list of the tasks that keep their initial weights, because the checkpoint has no such task, or
      one of another size.

    Raises:
      DataError: a variable of the bottom is missing or has another shape, or see `read`.
    """
    try:
        with opened(path) as reader:
            shapes = reader.get_variable_to_shape_map()
    except UNREADABLE as error:
        cure = "restore it from a copy, or name another"
        raise DataError(f"{path}: cannot be read ({first_line(error)}); {cure}") from error
    new = {}  # an ordered set
    for name, variable in weights.items():
        scope, stored = name.split("/")[0], _stored(name, variable)
        if scope != SHARED and shapes.get(stored.name) != stored.shape:
            new[scope] = True
    kept = {name: each for name, each in weights.items() if name.split("/")[0] not in new}
    restore(session, kept, path)
    return list(new)


def first_line(error):
    """Return the first line of an error's message, at most 200 characters, or its type."""
    message = re.sub(r"(?s)^Graph execution error:(.*?\nNode: [^\n]*\n)?", "", str(error))
    message = message.strip("=\n ")
    return message.splitlines()[0][:200] if message else type(error).__name__


def save(saver, session, directory, step, keep=1, texts=None):
    """Save a step, then remove older checkpoints.

    Args:
      saver: tf.train.Saver.
      session: tf.Session.
      directory: str, created if missing.
      step: int.
      keep: int, at least 1, the number of checkpoints to keep, including the new one.
      texts: dict file name -> text, text files that are written before the checkpoint.

    Raises:
      DataError: the directory cannot be written. Earlier checkpoints are untouched.
    """
    try:
        os.makedirs(directory, exist_ok=True)
        write_texts(directory, texts or {})
        with contextlib.ExitStack() as stack:
            folder = directory
            if not _is_literal(directory):
                folder = os.path.join(stack.enter_context(_links({"run": directory})), "run")
            # With a state file, the Saver would remove older checkpoints by pattern; see `opened`.
            options = {"write_meta_graph": False, "write_state": False}
            saver.save(session, os.path.join(folder, PREFIX), global_step=step, **options)
        others = [os.path.basename(path) for path in all_of(directory) if step_of(path) != step]
        kept = others[max(0, len(others) - keep + 1) :] + [f"{PREFIX}-{step}"]
        lines = [f'model_checkpoint_path: "{kept[-1]}"']
        lines += [f'all_model_checkpoint_paths: "{name}"' for name in kept]
        write_texts(directory, {STATE: "\n".join(lines) + "\n"})
        remove_parts(directory, lambda name: name not in kept)
    except (tf.errors.OpError, OSError, ValueError) as error:
        what = f"cannot save step {step} ({first_line(error)})"
        cure = f"{cure_of(error)}, then repeat the command"
        raise DataError(f"{directory}: {what}; {cure}") from error


def cure_of(error):
    """Return what a user can do about a failed write."""
    denied = isinstance(error, (PermissionError, tf.errors.PermissionDeniedError))
    read_only = getattr(error, "errno", None) == errno.EROFS
    return "make it writable" if denied or read_only else "free some space"


def remove_parts(directory, unwanted):
    """Remove the files of checkpoints; unwanted: function name ("model.ckpt-7") -> bool."""
    for name in os.listdir(directory):
        part = PART.fullmatch(name)
        if part and unwanted(part[1]):
            os.remove(os.path.join(directory, name))


def write_texts(directory, texts):
    """Write text files, dict name -> text. Each file is replaced atomically."""
    for name, text in texts.items():
        path = os.path.join(directory, name)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".tmp", path)

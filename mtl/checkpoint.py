"""The files of a run directory: weights, the record the run was made from, and its metrics.

Checkpoints are found by the files `model.ckpt-N.index`, which TensorFlow writes last, not by the file `checkpoint`: where that one is
lost or damaged, believing it would start a run over in silence.
"""

import contextlib
import errno
import json
import os
import re
import tempfile

import tensorflow.compat.v1 as tf

from mtl import config as config_lib
from mtl.errors import DataError

PREFIX, BEST, CONFIG, METRICS = "model.ckpt", "best", "config.json", "metrics.jsonl"
STATE = "checkpoint"  # the file in which TensorFlow's tools look for the newest checkpoint
PART = re.compile(rf"({re.escape(PREFIX)}-\d+)\.(data-\d+-of-\d+|index)")
# Names that a run writes, and those of checkpoints of any TensorFlow program.
RUN_FILE = re.compile(
    r"checkpoint|best|flags\.flags|versions\.json|metrics\.jsonl"
    r"|.+-\d+\.(index|meta)|.+\.data-\d+-of-\d+"
)
UNREADABLE = (
    tf.errors.OpError,
    ValueError,
    RuntimeError,
    LookupError,
)  # what TensorFlow raises of a damaged checkpoint


def all_of(directory):
    """List the paths of a directory's complete checkpoints (.../model.ckpt-N), oldest first; none where there is no such directory."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    found = [re.fullmatch(re.escape(PREFIX) + r"-(\d+)\.index", name) for name in names]
    return [
        os.path.join(directory, f"{PREFIX}-{step}")
        for step in sorted(int(match[1]) for match in found if match)
    ]


def newest(directory):
    """Return the path of the newest complete checkpoint of a directory, or None where there is none."""
    return (all_of(directory) or [None])[-1]


def step_of(path):
    """Return the training step of a checkpoint's path, .../model.ckpt-N; DataError where it does not end in -N."""
    match = re.search(r"-(\d+)$", path)
    if not match:
        raise DataError(f"{path}: not the path of a checkpoint, which ends like {PREFIX}-1000")
    return int(match[1])


def check_directory(model_dir):
    """Check that a run may begin or go on in a directory. Changes nothing.

    Args:
      model_dir: str; it may be missing or empty.

    Raises:
      DataError: the directory holds files of another program, or a run whose checkpoints are gone.
        Such a run must not start over: it would replace its best weights and its metrics.
    """
    names = sorted(os.listdir(model_dir)) if os.path.isdir(model_dir) else []
    if CONFIG not in names:
        foreign = [name for name in names if RUN_FILE.fullmatch(name)]
        if foreign:
            cure = f"choose another --model_dir, or restore its {CONFIG} from a copy"
            what = f"holds {foreign[0]} but no {CONFIG}, so it is not a run of mtl"
            raise DataError(f"{model_dir}: {what}; {cure}")
    else:
        read_config(model_dir)
        signs = [] if all_of(model_dir) else _signs_of_saves(model_dir, names)
        if signs:
            cure = f"restore {PREFIX}-* from a copy, or choose another --model_dir"
            what = f"steps were saved, as {', '.join(signs)} show, but no {PREFIX}-N.index is left"
            raise DataError(f"{model_dir}: {what}; {cure}")


def _signs_of_saves(model_dir, names):
    """List the files which show that a run without a checkpoint once had one."""
    best, metrics = os.path.join(model_dir, BEST), os.path.join(model_dir, METRICS)
    signs = [STATE] if STATE in names else []
    signs += [METRICS] if METRICS in names and os.path.getsize(metrics) else []
    signs += [f"{BEST}/"] if os.path.isdir(best) and os.listdir(best) else []
    data = [name for name in names if PART.fullmatch(name)]
    # A first save that was killed leaves the data of one step.
    return signs + (data[:1] if len(data) > 1 else [])


@contextlib.contextmanager
def opened(path):
    """Open a checkpoint in TensorFlow's reader, in `with`.

    TensorFlow treats a path as a pattern: run[1] means run1 (its issue 4273). A path with such
    characters is read through links.
    """
    with contextlib.ExitStack() as stack:
        if not _is_literal(path):
            suffixes = (".index", ".data-00000-of-00001")
            targets = {PREFIX + suffix: path + suffix for suffix in suffixes}
            path = os.path.join(stack.enter_context(_links(targets)), PREFIX)
        yield tf.train.load_checkpoint(path)


def _is_literal(path):
    """Tell whether TensorFlow opens exactly this path: UTF-8 without characters of a pattern."""
    pattern = set("*?[\\").intersection(path.replace(os.sep, "/"))
    try:
        return not pattern and os.fsencode(path) == path.encode()
    except UnicodeEncodeError:
        return False


@contextlib.contextmanager
def _links(targets):
    """Make a temporary folder of links, dict name -> path, in `with`; yield its path."""
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
            cure = "make room, or set TMPDIR to another folder"
            raise DataError(f"{folders[0]}: cannot be written ({error.strerror}); {cure}") from None
        yield folder


def read(path, wanted):
    """Return tensors of a checkpoint, dict name -> array; DataError where one is not as `wanted`, dict name -> (shape, tf.DType).

    TensorFlow itself restores another shape in silence (its issue 52220). Half precision, as packaged weights have, is read as float32.
    """
    cure = "it is of another network; choose its --bottom, or another folder"
    try:
        with opened(path) as reader:
            shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
            for name, (shape, dtype) in wanted.items():
                if name not in shapes:
                    raise DataError(f"{path}: holds no variable {name}: {cure}")
                if shapes[name] != shape or dtypes[name] not in (
                    dtype,
                    tf.float16 if dtype == tf.float32 else dtype,
                ):
                    raise DataError(
                        f"{path}: variable {name} is {dtypes[name].name} {shapes[name]}, not {dtype.name} {shape}: {cure}"
                    )
            return {
                name: reader.get_tensor(name).astype(dtype.as_numpy_dtype)
                for name, (_, dtype) in wanted.items()
            }
    except UNREADABLE as error:
        cure = "restore it from a copy, or name another"
        raise DataError(f"{path}: cannot be read ({first_line(error)}); {cure}") from error


def restore(session, variables, path):
    """Give variables of a session's graph, dict name in the checkpoint -> variable, their values there, as `read` does: all or none."""
    for name, value in read(
        path,
        {name: (each.shape.as_list(), each.dtype.base_dtype) for name, each in variables.items()},
    ).items():
        session.run(variables[name].initializer, {variables[name].initializer.inputs[1]: value})


def first_line(error):
    """Return the first line of what an exception says, without where in a graph, cut to 200 characters; its kind where it says nothing."""
    said = re.sub(r"(?s)^Graph execution error:.*?\nNode: [^\n]*\n", "", str(error)).strip()
    return said.splitlines()[0][:200] if said else type(error).__name__


def save(saver, session, directory, step, keep=1):
    """Write a checkpoint of a step, then remove all others but the newest.

    Args:
      saver: tf.train.Saver.
      session: tf.Session.
      directory: str, made where it is missing.
      step: int.
      keep: int, how many checkpoints stay, at least 1: the one just written and the newest others.

    Raises:
      DataError: the directory cannot be written; the checkpoints before are untouched.
    """
    try:
        os.makedirs(directory, exist_ok=True)
        with contextlib.ExitStack() as stack:
            folder = directory
            if not _is_literal(directory):
                folder = os.path.join(stack.enter_context(_links({"run": directory})), "run")
            # Without its state file the Saver removes nothing; it would remove by patterns, see `opened`.
            files = {"write_meta_graph": False, "write_state": False}
            saver.save(session, os.path.join(folder, PREFIX), global_step=step, **files)
        others = [path for path in all_of(directory) if step_of(path) != step]
        newest_others = others[max(0, len(others) - keep + 1) :]
        kept = [os.path.basename(path) for path in newest_others] + [f"{PREFIX}-{step}"]
        lines = [f'model_checkpoint_path: "{kept[-1]}"']
        lines += [f'all_model_checkpoint_paths: "{name}"' for name in kept]
        _write(directory, {STATE: "\n".join(lines) + "\n"})
        remove_parts(directory, lambda name: name not in kept)
    except (tf.errors.OpError, OSError, ValueError) as error:
        cure = f"{_cure(error)}, then repeat the command"
        raise DataError(
            f"{directory}: cannot save step {step} ({first_line(error)}); {cure}"
        ) from error


def _cure(error):
    """Return what helps against an error of a write."""
    denied = isinstance(error, (PermissionError, tf.errors.PermissionDeniedError))
    read_only = getattr(error, "errno", None) == errno.EROFS
    return "make it writable" if denied or read_only else "make room"


def remove_parts(directory, unwanted):
    """Remove the files of the checkpoints, model.ckpt-N, that are `unwanted` (function str -> bool)."""
    for name in os.listdir(directory):
        part = PART.fullmatch(name)
        if part and unwanted(part[1]):
            os.remove(os.path.join(directory, name))


def _write(directory, texts):
    """Write text files, dict name -> text, each whole or not at all."""
    for name, text in texts.items():
        path = os.path.join(directory, name)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".tmp", path)


def write_records(model_dir, texts, metrics):
    """Write text files of a run, dict file name -> text, and its evaluations so far, list of dict, as the whole of metrics.jsonl.

    Each file is written whole or not at all; DataError where the directory cannot be written.
    """
    try:
        os.makedirs(model_dir, exist_ok=True)
        _write(model_dir, {**texts, METRICS: "".join(json.dumps(row) + "\n" for row in metrics)})
    except OSError as error:
        cure = f"{_cure(error)}, or choose another --model_dir"
        raise DataError(f"{model_dir}: cannot be written ({error.strerror}); {cure}") from error


def open_text(path):
    """Open a text file of a run for reading; raise OSError for a pipe or a device."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "not a file", path)
    return open(path, encoding="utf-8-sig")


def read_config(model_dir):
    """Return the config.Config a run directory was made from; DataError where config.json is missing or not such a record."""
    path = os.path.join(model_dir, CONFIG)
    try:
        with open_text(path) as file:
            return config_lib.Config.from_dict(json.load(file)["config"])
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file: not a run directory; train one with: mtl train --model_dir={model_dir}"
        ) from None
    except OSError as error:
        cure = "make it a readable file, or choose another --model_dir"
        raise DataError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        cure = "restore it from a copy, or choose another --model_dir"
        raise DataError(
            f"{path}: not the record of a run of mtl ({first_line(error)}); {cure}"
        ) from None


def read_metrics(model_dir, up_to):
    """Return the evaluations of a run (list of dict) up to a step; a damaged or later line ends the list.

    Raises:
      DataError: the file exists and cannot be read. Treated as empty, it would lose its evaluations.
    """
    rows, path = [], os.path.join(model_dir, METRICS)
    try:
        with open_text(path) as file:
            for line in file:
                row = json.loads(line)
                if row["step"] > up_to:
                    break
                rows.append(row)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); make it a readable file"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass  # a line cut off by a kill is later than the checkpoint
    return rows

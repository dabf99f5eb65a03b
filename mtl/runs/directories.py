"""Run directories: which one and which of its checkpoints a person means, and how one is mended after its process died."""

import math
import os
import re
import shutil

from mtl import checkpoint, train
from mtl.errors import DataError
from mtl.runs import bundle, files

PACKAGED = {
    "pretrained": os.path.join(
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pretrained"
    )
}  # runs that come with the package
ASIDE = "damaged-"  # begins the names of the files of a checkpoint that cannot be read

# What a killed save leaves: TensorFlow's unfinished files (`.tempstate1234`, `checkpoint.tmp1234`) and ours. A finished .data file without
# its .index, which is written last, is one too.
UNFINISHED = re.compile(
    checkpoint.PART.pattern
    + r"\.tempstate\d+|checkpoint\.tmp[0-9a-f]*|(config\.json|flags\.flags|versions\.json|metrics\.jsonl)\.tmp"
)


def directory(model_dir):
    """Return the run directory that a name (str) stands for: the packaged run of this name, else itself.

    Raises:
      DataError: it is the path of a checkpoint.
    """
    check_not_checkpoint(model_dir)
    return PACKAGED.get(model_dir, model_dir)


def find(model_dir, which="best"):
    """Find a checkpoint of a run.

    Args:
      model_dir: str, see `directory`.
      which: str, "best" by validation (the newest where there is no best), "last", or the path of a checkpoint.

    Returns:
      str, its path without .index.

    Raises:
      DataError: there is none, or its index is not one to open, see mtl.runs.bundle.
    """
    model_dir = directory(model_dir)
    if which in ("best", "last"):
        path = (
            checkpoint.newest(os.path.join(model_dir, checkpoint.BEST)) if which == "best" else None
        ) or checkpoint.newest(model_dir)
        if path is None:
            raise DataError(
                f"{model_dir}: no checkpoint in this folder; train one with: mtl train --model_dir={model_dir}"
            )
    else:
        path = which.removesuffix(".index")
        if not os.path.isfile(path + ".index"):
            example = os.path.join(model_dir, f"{checkpoint.PREFIX}-1000")
            raise DataError(
                f"{path}: no such checkpoint; --checkpoint takes best, last or a path like {example}"
            )
    try:
        bundle.check(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({checkpoint.first_line(error)}); restore it from a copy, or name another --checkpoint"
        ) from None
    return path


def check_not_checkpoint(model_dir):
    """Raise DataError if the name of a run directory (str) is the path of a checkpoint."""
    path = model_dir.removesuffix(".index")
    if os.path.isfile(path + ".index"):
        cure = f"name its folder, {os.path.dirname(path) or '.'}"
        raise DataError(f"{model_dir}: is a checkpoint, not a run directory; {cure}")


def damage(path):
    """Return what is wrong with a checkpoint, as one line; None where all that it holds can be read.

    Args:
      path: str, without .index.

    Raises:
      DataError: its files cannot be read now, for a reason that says nothing of what is in them.
    """
    try:
        bundle.check(path)
        with open(bundle.data_file(path), "rb") as file:
            file.read(1)
    except OSError as error:
        cure = "make it readable, then repeat the command"
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); {cure}") from None
    except ValueError as error:
        return checkpoint.first_line(error)
    try:
        with checkpoint.opened(path) as reader:
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)  # TensorFlow compares it with its checksum
    except checkpoint.UNREADABLE as error:
        return checkpoint.first_line(error)
    return None


def mend(model_dir, say):
    """Make a run directory such that its newest checkpoint is one to go on from. Only the process that owns the directory may.

    Files of killed saves are removed. A newest checkpoint that is damaged, or has lost one of its files, is set aside
    for the one before, and the steps between are trained again. The file `checkpoint` does not decide which one is
    the newest, see mtl.checkpoint; a warning is given where it names another.

    Args:
      model_dir: str; it need not be a run yet.
      say: function str -> None, called with each warning.

    Raises:
      DataError: none of the checkpoints can be read, or a file cannot be moved.
    """
    best_dir = os.path.join(model_dir, checkpoint.BEST)
    try:
        fallen = _set_damaged_aside(model_dir, say)
        for folder, keep in ((model_dir, train.KEEP), (best_dir, 1)):
            _remove_litter(folder, keep)
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot be changed ({error.strerror}); make {model_dir} writable"
        ) from None
    newest = checkpoint.newest(model_dir)
    metrics = os.path.join(model_dir, checkpoint.METRICS)
    rows = checkpoint.read_metrics(model_dir, up_to=math.inf)
    if len(rows) < _lines(metrics):
        copy = files.free(os.path.join(model_dir, ASIDE + checkpoint.METRICS))
        shutil.copyfile(metrics, copy)
        dropped = f"later evaluations are dropped, {copy} has them"
        say(f"warning: {metrics}: line {len(rows) + 1} is damaged; {dropped}")
    if newest and not fallen and [os.path.basename(newest)] != _named(model_dir)[:1]:
        state = os.path.join(model_dir, checkpoint.STATE)
        name = os.path.basename(newest)
        say(
            f"warning: {state} does not name {name}, the newest checkpoint; continuing from that one"
        )
    _check_best(best_dir, newest, {row["step"] for row in rows}, say)


def _check_best(best_dir, newest, evaluated, say):
    """Warn if best/ is gone; set it aside if its evaluation is gone.

    Without its evaluation, the next weights would count as better and replace it.
    """
    best = checkpoint.newest(best_dir)
    if best is None and evaluated:
        cure = "the next better evaluation saves them again"
        say(f"warning: {best_dir}: the best weights are missing; {cure}")
    if best is None or newest is None:
        return
    step = checkpoint.step_of(best)
    # A run killed before it wrote the evaluation of its newest step repeats that evaluation.
    if step < checkpoint.step_of(newest) and step not in evaluated:
        aside = files.free(os.path.join(os.path.dirname(best_dir), ASIDE + checkpoint.BEST))
        lost = f"{checkpoint.METRICS} has no evaluation of its step {step}"
        say(f"warning: {best_dir}: {lost}; set aside as {aside}")
        os.replace(best_dir, aside)


def _remove_litter(folder, keep):
    """Remove files of killed saves and all but the newest `keep` checkpoints. One that lost its .index stays."""
    complete = [os.path.basename(path) for path in checkpoint.all_of(folder)]
    lost = set(_named(folder)) - set(complete)
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if UNFINISHED.fullmatch(name):
            os.remove(os.path.join(folder, name))
    if os.path.isdir(folder):
        checkpoint.remove_parts(
            folder, lambda name: name not in lost and name not in complete[-keep:]
        )


def _set_damaged_aside(model_dir, say):
    """Rename the files of the checkpoints newer than the newest that is whole; return whether there were any."""
    paths, damaged = _saved(model_dir), []
    while paths and (wrong := damage(paths[-1])):
        damaged.append((paths.pop(), wrong))
    if damaged and not paths:
        told = "; ".join(f"{os.path.basename(path)}: {wrong}" for path, wrong in damaged)
        cure = "restore the run from a copy, or choose another --model_dir"
        raise DataError(f"{model_dir}: none of its checkpoints can be read ({told}); {cure}")
    for path, wrong in damaged:
        aside = ASIDE + os.path.basename(path)
        done = f"set aside as {aside}, continuing from {paths[-1]}"
        say(f"warning: {path}: cannot be read ({wrong}); {done}")
        for name in os.listdir(model_dir):
            part = checkpoint.PART.fullmatch(name)
            if part and part[1] == os.path.basename(path):
                os.replace(os.path.join(model_dir, name), os.path.join(model_dir, ASIDE + name))
    return bool(damaged)


def _saved(model_dir):
    """List the paths of the checkpoints of a run, oldest first: the complete ones, and those that lost their .index."""
    names = os.listdir(model_dir) if os.path.isdir(model_dir) else []
    parts = {part[1] for part in map(checkpoint.PART.fullmatch, names) if part}
    lost = [os.path.join(model_dir, name) for name in parts.intersection(_named(model_dir))]
    return sorted({*checkpoint.all_of(model_dir), *lost}, key=checkpoint.step_of)


def _lines(path):
    try:
        with checkpoint.open_text(path) as file:
            return sum(1 for line in file.buffer)
    except OSError:
        return 0


def _named(folder):
    """List the names of the checkpoints in the file `checkpoint` of a folder, the newest first; none where it cannot be read."""
    try:
        with checkpoint.open_text(os.path.join(folder, checkpoint.STATE)) as file:
            found = re.findall(
                r'^(?:all_)?model_checkpoint_paths?: "(.*)"$', file.read(100_000), re.MULTILINE
            )
    except (OSError, ValueError):
        return []
    return [os.path.basename(name) for name in found]

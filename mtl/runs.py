"""Run directories: which one and which of its checkpoints a person means, and how one is mended after its process died."""

import math
import os
import re

import tensorflow.compat.v1 as tf

from mtl import bundle, checkpoint, train
from mtl.errors import DataError

PACKAGED = {"pretrained": os.path.join(os.path.dirname(os.path.abspath(__file__)), "pretrained")}  # runs that come with the package
ASIDE = "damaged-"  # begins the names of the files of a checkpoint that cannot be read

# What a killed save leaves: TensorFlow's unfinished files (`.tempstate1234`, `checkpoint.tmp1234`) and ours. A finished .data file without
# its .index, which is written last, is one too.
UNFINISHED = re.compile(r".+\.tempstate\d+|checkpoint\.tmp[0-9a-f]+|(config\.json|flags\.flags|versions\.json|metrics\.jsonl)\.tmp")
PART = re.compile(rf"({re.escape(checkpoint.PREFIX)}-\d+)\.(data-\d+-of-\d+|index)")


def directory(model_dir):
    """Return the run directory that a name (str) stands for: the packaged run of this name, else itself."""
    return PACKAGED.get(model_dir, model_dir)


def find(model_dir, which="best"):
    """Find a checkpoint of a run.

    Args:
      model_dir: str, see `directory`.
      which: str, "best" by validation (the newest where there is no best), "last", or the path of a checkpoint.

    Returns:
      str, its path without .index.

    Raises:
      DataError: there is none, or its index is not one to open, see mtl.bundle.
    """
    model_dir = directory(model_dir)
    if which in ("best", "last"):
        path = (checkpoint.newest(os.path.join(model_dir, checkpoint.BEST)) if which == "best" else None) or checkpoint.newest(model_dir)
        if path is None:
            raise DataError(f"{model_dir}: no checkpoint in this folder; train one with: mtl train --model_dir={model_dir}")
    else:
        path = which.removesuffix(".index")
        if not os.path.isfile(path + ".index"):
            example = os.path.join(model_dir, f"{checkpoint.PREFIX}-1000")
            raise DataError(f"{path}: no such checkpoint; --checkpoint takes best, last or a path like {example}")
    try:
        bundle.check(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({checkpoint.first_line(error)}); take it from a copy, or name another --checkpoint"
        ) from None
    return path


def damage(path):
    """Return what is wrong with a checkpoint (path without .index), as one line; None where all that it holds can be read."""
    try:
        bundle.check(path)
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)  # TensorFlow holds it against its checksum
    except (OSError, *checkpoint.UNREADABLE) as error:
        return checkpoint.first_line(error)
    return None


def mend(model_dir, say):
    """Make a run directory such that its newest checkpoint is one to go on from. Only the process that owns the directory may.

    What killed saves left is removed. A newest checkpoint that is damaged is set aside, for the one before: the steps between are
    taken again. One more than is kept, left by a kill before it was removed, would stay for ever: TensorFlow removes one at a save.
    The file `checkpoint` is not believed, see mtl.checkpoint; where it tells of another one, that is said.

    Args:
      model_dir: str; it need not be a run yet.
      say: function str -> None, told of each thing that is not as a clean end leaves it.

    Raises:
      DataError: none of the checkpoints can be read, or a file cannot be moved.
    """
    try:
        fallen = _set_damaged_aside(model_dir, say)
        for folder, keep in ((model_dir, train.KEEP), (os.path.join(model_dir, checkpoint.BEST), 1)):
            _remove_all_but(checkpoint.all_of(folder)[-keep:], folder)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be removed or renamed ({error.strerror}); make {model_dir} writable") from None
    newest = checkpoint.newest(model_dir)
    kept, written = len(checkpoint.read_metrics(model_dir, up_to=math.inf)), _lines(os.path.join(model_dir, checkpoint.METRICS))
    if kept < written:
        say(f"warning: {model_dir}/{checkpoint.METRICS}: line {kept + 1} is damaged; evaluations from there on are forgotten")
    if newest and not fallen and os.path.basename(newest) != _named(model_dir):
        told = os.path.join(model_dir, "checkpoint")
        say(f"warning: {told} does not name {os.path.basename(newest)}, the newest that is whole; going on from that one all the same")


def _remove_all_but(paths, folder):
    kept = [os.path.basename(path) for path in paths]
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        part = PART.fullmatch(name)
        if UNFINISHED.fullmatch(name) or (part and part[1] not in kept):
            os.remove(os.path.join(folder, name))


def _set_damaged_aside(model_dir, say):
    """Rename the files of the checkpoints newer than the newest that is whole; return whether there were any."""
    paths, damaged = checkpoint.all_of(model_dir), []
    while paths and (wrong := damage(paths[-1])):
        damaged.append((paths.pop(), wrong))
    if damaged and not paths:
        told = "; ".join(f"{os.path.basename(path)}: {wrong}" for path, wrong in damaged)
        cure = "take the run from a copy, or choose another --model_dir"
        raise DataError(f"{model_dir}: none of its checkpoints can be read ({told}); {cure}")
    for path, wrong in damaged:
        say(f"warning: {path}: cannot be read ({wrong}); set aside as {ASIDE}{os.path.basename(path)}, going on from {paths[-1]}")
        for name in os.listdir(model_dir):
            part = PART.fullmatch(name)
            if part and part[1] == os.path.basename(path):
                os.replace(os.path.join(model_dir, name), os.path.join(model_dir, ASIDE + name))
    return bool(damaged)


def _lines(path):
    try:
        with open(path, "rb") as file:
            return sum(1 for line in file)
    except OSError:
        return 0


def _named(model_dir):
    """Return the name of the checkpoint that the file `checkpoint` says is the newest; None where it says nothing."""
    try:
        with open(os.path.join(model_dir, "checkpoint"), encoding="utf-8") as file:
            found = re.search(r'^model_checkpoint_path: "(.*)"$', file.read(100_000), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return found and os.path.basename(found[1])

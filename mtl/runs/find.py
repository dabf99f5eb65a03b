"""Find the run directory and the checkpoint that a user names."""

import os
import re

from mtl import run_files
from mtl.checkpoint import BEST, CONFIG, PREFIX, first_line, newest
from mtl.errors import DataError
from mtl.runs import bundle

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The runs that come with the package: name -> directory.
PACKAGED = {"pretrained": os.path.join(_PACKAGE, "pretrained")}
# The fields of Config that decide the network; so do the tasks and the inputs of a run.
NETWORK = ("tasks", "bottom", "absent", "brightness", "top_units")
_SUFFIX = re.compile(r"\.(index|data-\d+-of-\d+)$")


# -- the run ---------------------------------------------------------------------------------------


def directory(model_dir):
    """Return the directory of a packaged run for its name, and any other path unchanged.

    Raises:
      DataError: see check_is_run.
    """
    check_is_run(model_dir, takes_checkpoint=True)
    return PACKAGED.get(model_dir, model_dir)


def check_is_run(model_dir, *, takes_checkpoint=False):
    """Check a path that is given as a run directory. It may be missing.

    Args:
      model_dir: str.
      takes_checkpoint: bool, whether the message may name the flag --checkpoint.

    Raises:
      DataError: it is a checkpoint, or the folder best/ of a run. The message names the run.
    """
    path = _checkpoint_at(model_dir)
    if path:
        cure = f"use --model_dir={_run_of(path)}"
        if takes_checkpoint:
            cure += f" --checkpoint={path}"
        raise DataError(f"{model_dir}: is a checkpoint, not a run directory; {cure}")
    run = _run_of(os.path.join(model_dir, PREFIX))
    if run != model_dir and _record(run) and not _record(model_dir):
        what = "holds the best weights of a run, but is not the run directory"
        raise DataError(f"{model_dir}: {what}; use --model_dir={run}")


def _checkpoint_at(path):
    """Return the path of a checkpoint without its suffix, or None if there is no checkpoint."""
    path = _SUFFIX.sub("", path)
    return path if os.path.isfile(path + ".index") else None


def _run_of(path):
    """Return the run directory that a checkpoint lies in, or in whose folder best/ it lies."""
    folder = os.path.dirname(path) or os.curdir
    parent, name = os.path.split(os.path.normpath(folder))
    return (parent or os.curdir) if name == BEST else folder


def _record(run):
    """Return the run_files.Run of a run directory; None without config.json."""
    exists = os.path.exists(os.path.join(run, CONFIG))
    return run_files.read(run) if exists else None


# -- the checkpoint --------------------------------------------------------------------------------


def checkpoint(model_dir, which="best"):
    """Return the path of a checkpoint of a run, without .index.

    Args:
      model_dir: str, see `directory`.
      which: "best" on validation, or the newest if there is no best; "last"; or a path.

    Raises:
      DataError: there is no such checkpoint, it fails bundle.check, or it belongs to a run with
        another network.
    """
    model_dir = directory(model_dir)
    if which in ("best", "last"):
        path = _best_or_last(model_dir, which)
    else:
        path = _named(model_dir, which)
    return _readable(path, "restore it from a copy, or name another --checkpoint")


def start(config, inputs=None):
    """Return the path of the checkpoint that --init_from names; None without --init_from.

    Args:
      config: config.Config of the new run. Its init_from is a run directory, the folder of a
        checkpoint, or the path of a checkpoint.
      inputs: inputs.Inputs of the new run, to compare with those of the other; None for no check.

    Raises:
      DataError: there is no such checkpoint, it fails bundle.check, or its run has another bottom
        or other inputs.
    """
    given = config.init_from
    if not given:
        return None
    folder = PACKAGED.get(given, given)
    path = _checkpoint_at(folder) or newest(os.path.join(folder, BEST)) or newest(folder)
    if path is None:
        cure = "--init_from takes pretrained, a run directory or the path of a checkpoint"
        raise DataError(f"{given}: no checkpoint here; {cure}")
    other = _record(_run_of(path))
    if other and other.config.bottom != config.bottom:
        bottom = other.config.bottom
        what = f"its network has --bottom={bottom}, this run --bottom={config.bottom}"
        cure = f"use --bottom={bottom}, or another --init_from"
        raise DataError(f"{given}: {what}; {cure}")
    if other and inputs and other.inputs.network_shape != inputs.network_shape:
        raise DataError(f"{given}: {_other_inputs(other.inputs, inputs)}")
    return _readable(path, "restore it from a copy, or name another --init_from")


def _other_inputs(theirs, ours):
    """Return what differs between the inputs of two runs, and the cure."""
    shapes = f"{list(theirs.network_shape)}, this run {list(ours.network_shape)}"
    what = f"its network takes {theirs.text.split(' [')[0]} {shapes}"
    if not (theirs.is_images and ours.is_images):
        return f"{what}; use another --init_from"
    if theirs.shape[2] != ours.shape[2]:
        colour = "colour" if theirs.shape[2] == 3 else "grey"
        return f"{what}; store the images in {colour}, or use another --init_from"
    height, width = theirs.shape[:2]
    if height != width:
        return f"{what}; use images of this size, or another --init_from"
    return f"{what}; use --window={height} --crop={theirs.crop}, or another --init_from"


def _readable(path, cure):
    """Return the path of a checkpoint; raise DataError, with the cure, if it fails bundle.check."""
    try:
        bundle.check(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({first_line(error)}); {cure}") from None
    return path


def _best_or_last(model_dir, which):
    path = newest(os.path.join(model_dir, BEST)) if which == "best" else None
    path = path or newest(model_dir)
    if path is None:
        cure = f"train one with: mtl train --model_dir={model_dir}"
        raise DataError(f"{model_dir}: no checkpoint in this folder; {cure}")
    return path


def _named(model_dir, given):
    """Return the checkpoint at a path that was given with --checkpoint."""
    path = _checkpoint_at(given)
    if path is None:
        inside = _checkpoint_at(os.path.join(model_dir, given)) or newest(given)
        example = inside or os.path.join(model_dir, f"{PREFIX}-1000")
        cure = f"--checkpoint takes best, last or a path like {example}"
        raise DataError(f"{given}: no such checkpoint; {cure}")
    run = _run_of(path)
    ours = _record(model_dir)
    other = _record(run) if ours else None
    if other and _network(ours) != _network(other):
        flags = [name for name in NETWORK if _value(ours, name) != _value(other, name)]
        found = " ".join(f"--{name}={_value(other, name)}" for name in flags)
        what = f"its network has {found or 'other inputs, or other scales of its labels'}"
        cure = f"use --model_dir={run} --checkpoint={path}"
        raise DataError(f"{path}: {what}, but {model_dir} has another; {cure}")
    return path


def _network(run):
    """Return what two runs must share to use the same checkpoints."""
    return run.tasks, run.inputs, [_value(run, name) for name in NETWORK]


def _value(run, name):
    return getattr(run.config, name)

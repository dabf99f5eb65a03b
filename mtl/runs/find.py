"""Find the run directory and the checkpoint that a user names."""

import os

from mtl.checkpoint import BEST, PREFIX, first_line, newest
from mtl.errors import DataError
from mtl.runs import bundle

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The runs that come with the package: name -> directory.
PACKAGED = {"pretrained": os.path.join(_PACKAGE, "pretrained")}


def directory(model_dir):
    """Return the directory of a packaged run for its name, and any other path unchanged.

    Raises:
      DataError: the path is a checkpoint.
    """
    check_not_checkpoint(model_dir)
    return PACKAGED.get(model_dir, model_dir)


def checkpoint(model_dir, which="best"):
    """Return the path of a checkpoint of a run, without .index.

    Args:
      model_dir: str, see `directory`.
      which: "best" on validation, or the newest if there is no best; "last"; or a path.

    Raises:
      DataError: there is no such checkpoint, or it fails bundle.check.
    """
    model_dir = directory(model_dir)
    if which in ("best", "last"):
        path = _best_or_last(model_dir, which)
    else:
        path = _named(model_dir, which)
    try:
        bundle.check(path)
    except (OSError, ValueError) as error:
        cure = "restore it from a copy, or name another --checkpoint"
        raise DataError(f"{path}: cannot be read ({first_line(error)}); {cure}") from None
    return path


def check_not_checkpoint(model_dir):
    """Raise DataError if a path given as a run directory is a checkpoint."""
    path = model_dir.removesuffix(".index")
    if os.path.isfile(path + ".index"):
        cure = f"name its folder, {os.path.dirname(path) or '.'}"
        raise DataError(f"{model_dir}: is a checkpoint, not a run directory; {cure}")


def _best_or_last(model_dir, which):
    path = newest(os.path.join(model_dir, BEST)) if which == "best" else None
    path = path or newest(model_dir)
    if path is None:
        cure = f"train one with: mtl train --model_dir={model_dir}"
        raise DataError(f"{model_dir}: no checkpoint in this folder; {cure}")
    return path


def _named(model_dir, path):
    path = path.removesuffix(".index")
    if not os.path.isfile(path + ".index"):
        example = os.path.join(model_dir, f"{PREFIX}-1000")
        cure = f"--checkpoint takes best, last or a path like {example}"
        raise DataError(f"{path}: no such checkpoint; {cure}")
    return path

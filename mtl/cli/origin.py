"""Where a report comes from: what the run directory tells of the training, what this evaluation runs on, and the commands for both."""

import json
import math
import os
import shlex

from mtl.cli import train
from mtl.runs import files

FLAGS = "flags.flags"  # in a run directory
LARGEST = 1 << 16  # bytes of flags.flags and versions.json
LARGEST_METRICS = 1 << 26  # bytes of metrics.jsonl: 100,000 evaluations
WIDE = 90  # characters of a command on one line; beyond, each flag has its own


def of(values, directory):
    """Gather what a report tells beside its numbers. What is missing or damaged is told of; nothing of it ends an evaluation.

    Args:
      values: FlagValues of `mtl evaluate`, parsed.
      directory: str, the run directory that --model_dir stands for.

    Returns:
      (report_page.Run, the evaluations that metrics.jsonl holds, list of dict).
    """
    from mtl.reports import (
        report_page,  # it imports NumPy and Pillow, and --help shall not wait for those
    )

    troubles = []
    flags = _text(directory, FLAGS, troubles)
    run = report_page.Run(
        name=values.model_dir,
        flags=flags,
        trained=_versions(directory, troubles),
        here={name: str(value) for name, value in train.versions().items()},
        evaluate=command_of("evaluate", values),
        train=train_command(os.path.join(directory, FLAGS)) if flags else "",
    )
    evaluations = _evaluations(directory, troubles)
    return run._replace(troubles=troubles), evaluations


def command_of(name, values):
    """Return the command line of a command (str) with its flags (FlagValues, parsed), flagfiles spelled out, ready for a shell."""
    return _command(
        name, *filter(None, (values[name].serialize() for name in values if values[name].present))
    )


def train_command(flagfile):
    """Return the command line that makes the network of a flags.flags (str, its path) again, in another run directory."""
    return _command("train", f"--flagfile={flagfile}", "--model_dir=runs/again")


def _command(name, *flags):
    parts = [f"mtl {name}", *map(shlex.quote, flags)]
    return (" " if sum(map(len, parts)) + len(flags) <= WIDE else " \\\n  ").join(parts)


def _text(directory, name, troubles, limit=LARGEST):
    """Return the text of a file of the run directory, "" where there is none to be had."""
    try:
        return files.read_text(os.path.join(directory, name), limit)
    except FileNotFoundError:
        troubles.append(f"The run directory holds no {name}.")
    except (OSError, UnicodeDecodeError) as error:
        troubles.append(
            f"{name} of the run cannot be read ({getattr(error, 'strerror', None) or 'not a text in UTF-8'})."
        )
    return ""


def _versions(directory, troubles):
    text = _text(directory, train.VERSIONS, troubles)
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()} if text else {}
    except (ValueError, AttributeError, RecursionError):
        troubles.append(f"{train.VERSIONS} of the run is damaged: it is no JSON object.")
        return {}


def _evaluations(directory, troubles):
    from mtl import checkpoint, run_files

    text = _text(directory, checkpoint.METRICS, troubles, LARGEST_METRICS)
    if not text:
        return []
    kept = run_files.read_metrics(directory, up_to=math.inf)
    if len(kept) < len(text.splitlines()):
        troubles.append(
            f"{checkpoint.METRICS}, line {len(kept) + 1}, is damaged: evaluations from there on are left out."
        )
    return kept

"""The origin of a report: the run, the versions, and the commands that repeat it."""

import json
import math
import os
import shlex

from mtl.runs import files

MAX_TEXT = 1 << 16  # bytes of flags.flags and of versions.json
MAX_METRICS = 1 << 26  # bytes of metrics.jsonl, enough for 100,000 evaluations
MAX_LINE = 90  # characters of a command on one line; a longer one has a line for each flag


def describe(values, directory):
    """Describe a run and its evaluation. Missing or damaged files are reported, not raised.

    Args:
      values: FlagValues of `mtl evaluate`, parsed.
      directory: str, the run directory that --model_dir names.

    Returns:
      report_page.Run, and the evaluations in metrics.jsonl, list of dict.
    """
    # Imported here, so that --help starts without NumPy, Pillow and TensorFlow.
    from mtl import checkpoint
    from mtl.reports import report_page
    from mtl.runs import environment

    troubles = []
    flags = _text(directory, checkpoint.FLAGS, troubles)
    versions = _versions(directory, troubles)
    evaluations = _evaluations(directory, troubles)
    run = report_page.Run(
        name=values.model_dir,
        flags=flags,
        trained=versions,
        here={name: str(value) for name, value in environment.versions().items()},
        evaluate=command_line("evaluate", values),
        train=_train_command(os.path.join(directory, checkpoint.FLAGS)) if flags else "",
        troubles=troubles,
    )
    return run, evaluations


def command_line(name, values):
    """Return the shell command that repeats a command.

    Args:
      name: str, the command, such as "evaluate".
      values: FlagValues, parsed. The flags from flagfiles are included.
    """
    flags = [values[flag].serialize() for flag in values if values[flag].present]
    return _quoted(name, [flag for flag in flags if flag])


def _train_command(flagfile):
    """Return the shell command that repeats a training in another run directory."""
    return _quoted("train", [f"--flagfile={flagfile}", "--model_dir=runs/again"])


def _quoted(name, flags):
    """Return a shell command, on one line if it is short."""
    parts = [f"mtl {name}", *map(shlex.quote, flags)]
    line = " ".join(parts)
    return line if len(line) <= MAX_LINE else " \\\n  ".join(parts)


def _text(directory, name, troubles, limit=MAX_TEXT):
    """Return the text of a file of the run directory; "" if it cannot be read."""
    try:
        return files.read_text(os.path.join(directory, name), limit)
    except FileNotFoundError:
        troubles.append(f"The run directory has no {name}.")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        troubles.append(f"{name} of the run cannot be read ({reason}).")
    return ""


def _versions(directory, troubles):
    """Return versions.json, dict name -> str; {} if it cannot be read."""
    from mtl import checkpoint

    text = _text(directory, checkpoint.VERSIONS, troubles)
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()} if text else {}
    except (ValueError, AttributeError, RecursionError):
        troubles.append(f"{checkpoint.VERSIONS} of the run is damaged: it is not a JSON object.")
        return {}


def _evaluations(directory, troubles):
    """List the evaluations in metrics.jsonl, up to the first damaged line."""
    from mtl import checkpoint, run_files

    text = _text(directory, checkpoint.METRICS, troubles, MAX_METRICS)
    if not text:
        return []
    rows = run_files.read_metrics(directory, up_to=math.inf)
    if len(rows) < len(text.splitlines()):
        where = f"{checkpoint.METRICS}, line {len(rows) + 1}"
        troubles.append(f"{where}, is damaged: this and later evaluations are skipped.")
    return rows

"""Mend a run directory whose process was killed, or whose files were damaged."""

import math
import os
import re
import shutil

from mtl import checkpoint, run_files
from mtl.errors import DataError
from mtl.runs import files, verify

ASIDE = "damaged-"  # prefix of files that are set aside

# The files that a killed save leaves: TensorFlow's (.tempstate1234, checkpoint.tmp1234) and ours. A
# data file without an index is unfinished too, because the index is written last.
_TEXTS = (
    checkpoint.CONFIG,
    checkpoint.FLAGS,
    checkpoint.VERSIONS,
    checkpoint.METRICS,
    checkpoint.MONITOR,
)
UNFINISHED = re.compile(
    rf"{checkpoint.PART.pattern}\.tempstate\d+"
    rf"|{re.escape(checkpoint.STATE)}\.tmp[0-9a-f]*"
    rf"|({'|'.join(map(re.escape, _TEXTS))})\.tmp"
)


def mend(model_dir, say):
    """Repair a run directory, so that its newest checkpoint can be restored.

    Only the process that holds the lock may call this. Files of killed saves are removed. Damaged
    or incomplete newest checkpoints are renamed to damaged-*, and the run continues from the newest
    intact one. A missing or intact directory is not changed.

    Args:
      model_dir: str.
      say: function str -> None, called with each warning.

    Raises:
      DataError: no checkpoint can be read, or a file cannot be changed.
      BrokenPipeError: raised by `say`.
    """
    best_dir = os.path.join(model_dir, checkpoint.BEST)
    try:
        fell_back = _set_damaged_aside(model_dir, say)
        _remove_litter(model_dir, checkpoint.KEEP)
        _remove_litter(best_dir, 1)
        newest = checkpoint.newest(model_dir)
        evaluated = _check_metrics(model_dir, say)
        if newest and not fell_back:
            _check_state(model_dir, newest, say)
        _check_best(best_dir, newest, evaluated, say)
    except BrokenPipeError:
        raise  # from `say`: the reader of the warnings is gone, so the command ends
    except OSError as error:
        cure = checkpoint.cure_of(error)
        raise DataError(f"{error.filename}: cannot be changed ({error.strerror}); {cure}") from None


def _set_damaged_aside(model_dir, say):
    """Rename the damaged checkpoints that are newer than the newest intact one.

    Returns:
      bool, whether there were any.

    Raises:
      DataError: all checkpoints are damaged. Nothing is changed: the run must not start over.
    """
    paths, damaged = _complete_or_named(model_dir), []
    while paths:
        reason = verify.damage(paths[-1])
        if reason is None:
            break
        damaged.append((paths.pop(), reason))
    if damaged and not paths:
        reasons = [f"{os.path.basename(path)}: {reason}" for path, reason in damaged]
        what = f"none of its checkpoints can be read ({'; '.join(reasons)})"
        cure = "restore the run from a copy, or choose another --model_dir"
        raise DataError(f"{model_dir}: {what}; {cure}")
    for path, reason in damaged:
        aside = ASIDE + os.path.basename(path)
        done = f"set aside as {aside}, continuing from {paths[-1]}"
        say(f"warning: {path}: cannot be read ({reason}); {done}")
        _rename_parts(path)
    return bool(damaged)


def _rename_parts(path):
    """Rename the files of a checkpoint to damaged-*."""
    model_dir, checkpoint_name = os.path.split(path)
    for name in os.listdir(model_dir):
        part = checkpoint.PART.fullmatch(name)
        if part and part[1] == checkpoint_name:
            os.replace(os.path.join(model_dir, name), os.path.join(model_dir, ASIDE + name))


def _complete_or_named(model_dir):
    """List the paths of the checkpoints of a run, oldest first.

    A checkpoint without an index is listed if the file `checkpoint` names it: then it was complete
    once. Otherwise it is left from a killed save.
    """
    names = os.listdir(model_dir) if os.path.isdir(model_dir) else []
    parts = {part[1] for part in map(checkpoint.PART.fullmatch, names) if part}
    lost = [os.path.join(model_dir, name) for name in parts.intersection(_named(model_dir))]
    return sorted({*checkpoint.all_of(model_dir), *lost}, key=checkpoint.step_of)


def _remove_litter(directory, keep):
    """Remove the files of killed saves, and all but the newest `keep` checkpoints.

    A checkpoint that lost its index is not removed: its data may be all that is left of the run.
    """
    if not os.path.isdir(directory):
        return
    for name in os.listdir(directory):
        if UNFINISHED.fullmatch(name):
            os.remove(os.path.join(directory, name))
    complete = [os.path.basename(path) for path in checkpoint.all_of(directory)]
    lost = set(_named(directory)) - set(complete)
    kept = lost.union(complete[-keep:])
    checkpoint.remove_parts(directory, lambda name: name not in kept)


def _check_metrics(model_dir, say):
    """Copy metrics.jsonl with a warning if it is damaged; return the set of evaluated steps.

    An evaluation whose score is null does not count: it saves no weights.
    """
    path = os.path.join(model_dir, checkpoint.METRICS)
    rows = run_files.read_metrics(model_dir, up_to=math.inf)
    if len(rows) < _count_lines(path):
        copy = files.free(os.path.join(model_dir, ASIDE + checkpoint.METRICS))
        shutil.copyfile(path, copy)
        dropped = f"later evaluations are dropped, {copy} has them"
        say(f"warning: {path}: line {len(rows) + 1} is damaged; {dropped}")
    return {row["step"] for row in rows if row.get("score", 0) is not None}


def _check_state(model_dir, newest, say):
    """Warn if the file `checkpoint` does not name the newest checkpoint first."""
    name = os.path.basename(newest)
    if _named(model_dir)[:1] != [name]:
        state = os.path.join(model_dir, checkpoint.STATE)
        what = f"does not name {name}, the newest checkpoint"
        say(f"warning: {state} {what}; continuing from that one")


def _check_best(best_dir, newest, evaluated, say):
    """Warn if the best weights are missing; rename them if their evaluation is missing.

    Without their evaluation, the next weights would count as better and replace them.
    """
    best = checkpoint.newest(best_dir)
    if best is None:
        if evaluated:
            cure = "the next better evaluation saves them again"
            say(f"warning: {best_dir}: the best weights are missing; {cure}")
        return
    step = checkpoint.step_of(best)
    # The newest step may lack its evaluation after a kill: the continued run evaluates it.
    if newest and step < checkpoint.step_of(newest) and step not in evaluated:
        aside = files.free(os.path.join(os.path.dirname(best_dir), ASIDE + checkpoint.BEST))
        lost = f"{checkpoint.METRICS} has no evaluation of its step {step}"
        say(f"warning: {best_dir}: {lost}; set aside as {aside}")
        os.replace(best_dir, aside)


def _count_lines(path):
    try:
        with run_files.open_text(path) as file:
            return sum(1 for line in file.buffer)
    except OSError:
        return 0


def _named(directory):
    """List the checkpoints that the file `checkpoint` names, newest first; [] if unreadable."""
    pattern = re.compile(r'^(?:all_)?model_checkpoint_paths?: "(.*)"$', re.MULTILINE)
    try:
        with run_files.open_text(os.path.join(directory, checkpoint.STATE)) as file:
            paths = pattern.findall(file.read(100_000))
    except (OSError, ValueError):
        return []
    return [os.path.basename(path) for path in paths]

"""The objectives as data: what each needs, remembers and costs, and its options.

The files of objectives/ are read, not imported, so that flags can be checked without TensorFlow.
"""

import difflib
from typing import Any, Dict, NamedTuple, Tuple

from mtl.fields import FROM_0, PACKAGE, Range, literals, names_function, summary

_FILES = {path.stem: path for path in sorted(PACKAGE.glob("objectives/[a-z]*.py"))}
NAMES = tuple(_FILES)
LIST = "list"  # --objective=list prints the table
CLIP_MIN, CLIP_MAX = 1e-37, 1e37  # of the answer
GRADIENTS = "gradients"  # of each task at the shared bottom; the other value of NEEDS is "losses"


class Entry(NamedTuple):
    """What a file of objectives/ says about itself, see mtl/objectives/__init__.py."""

    name: str
    summary: str
    needs: str
    state: str
    passes: str
    source: str
    options: Dict[str, Tuple[float, float, float]]  # name -> (default, least, greatest)
    uses: Tuple[str, ...]


def entry(name: str) -> Entry:
    """Return the Entry of one of NAMES."""
    found = literals(_FILES[name])
    required = [found[key] for key in ("NEEDS", "STATE", "PASSES", "SOURCE")]
    options, uses = found.get("OPTIONS", {}), found.get("USES", ())
    return Entry(name, summary(_FILES[name]), *required, options, tuple(uses))


def help_text() -> str:
    """Return the objectives with one line each, for the help of --objective."""
    return "; ".join(f"{name}: {summary(path)}" for name, path in _FILES.items())


def unknown(name: str) -> str:
    """Return the error for a name that is no objective, with the nearest ones."""
    nearest = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return f"objective={name} is unknown; {hint}--objective={LIST} shows all of them"


def table() -> str:
    """Return what each objective needs, remembers and costs, as lines of text."""
    head = ("objective", "needs", "state", "passes", "options", "source")
    rows = [head]
    for name in NAMES:
        found = entry(name)
        options = ", ".join(f"{key}:{each[0]:g}" for key, each in found.options.items())
        cells = (found.needs, found.state, found.passes, options or "none", found.source)
        rows.append((name, *cells))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
    return "\n".join(lines) + "\n"


def numbers(name: str, text: str) -> Tuple[float, ...]:
    """Return the numbers of a comma-separated list; raise ValueError if they are none."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"--{name}={text} must be a list of numbers, such as 1,0.5") from None


def options(name: str, text: str) -> Dict[str, float]:
    """Return the options of an objective, with their defaults.

    Args:
      name: the objective, or module:function, which has none.
      text: --objective_options, such as mu:0.1 or a:1,b:2.

    Raises:
      ValueError: an option is unknown, is no number or is out of range.
    """
    known = {} if names_function("objective", name) else entry(name).options
    values = {key: each[0] for key, each in known.items()}
    for part in text.split(",") if text else ():
        key, colon, number = part.partition(":")
        if key not in known or not colon:
            cure = f"use {', '.join(f'{each}:NUMBER' for each in known)}" if known else "remove it"
            raise ValueError(f"--objective_options={part} is no option of {name}; {cure}")
        (values[key],) = numbers("objective_options", number) or (None,)
        limits = Range(*known[key][1:])
        if values[key] is None or not limits.contains(values[key]):
            raise ValueError(f"--objective_options={part} must be {limits.text()}")
    return values


def check(config: Any, tasks: Tuple[str, ...]) -> None:
    """Raise ValueError if the settings of the objective do not fit it.

    Args:
      config: config.Config.
      tasks: the names of its tasks.
    """
    name = config.objective
    options(name, config.objective_options)
    own = names_function("objective", name)
    uses, needs = ((), "") if own else (entry(name).uses, entry(name).needs)
    for flag, default in (("task_weights", ""), ("clip_min", CLIP_MIN), ("clip_max", CLIP_MAX)):
        value = getattr(config, flag)
        if value != default and flag not in uses:
            users = ", ".join(each for each in NAMES if flag in entry(each).uses)
            what = f"--{flag}={value} has no effect on --objective={name}"
            raise ValueError(f"{what}; use it with {users}, or remove it")
    if config.clip_min >= config.clip_max:
        what = f"--clip_min={config.clip_min} must be below --clip_max={config.clip_max}"
        raise ValueError(f"{what}; change one of them")
    _check_weights(config.task_weights, tasks)
    if needs == GRADIENTS and len(tasks) < 2:
        what = f"--objective={name} combines the gradients of several tasks, but there is one"
        raise ValueError(f"{what}; use --objective=linear")


def _check_weights(text, tasks):
    """Raise ValueError if --task_weights does not have one weight, 0 or larger, for each task."""
    weights = numbers("task_weights", text)
    if not weights:
        return
    if len(weights) != len(tasks):
        cure = f"give one for each of {', '.join(tasks)}"
        raise ValueError(f"--task_weights={text} has {len(weights)} weights; {cure}")
    if not all(FROM_0.contains(each) for each in weights) or not any(weights):
        raise ValueError(f"--task_weights={text} must be 0 or larger, and not all 0")

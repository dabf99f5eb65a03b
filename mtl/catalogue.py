"""The objectives as data: what each needs, remembers and costs, and its options.

The files of objectives/ are read, not imported, so that flags can be checked without TensorFlow.
"""

import difflib
import functools
from typing import Any, Dict, NamedTuple, Tuple

from mtl.fields import FLOAT32, PACKAGE, Range, literals, names_function, summary

_FILES = {path.stem: path for path in sorted(PACKAGE.glob("objectives/[a-z]*.py"))}
NAMES = tuple(_FILES)
LIST = "list"  # --objective=list prints the table
CLIP_MIN, CLIP_MAX = 1e-37, 1e37  # of the answer
# What an objective needs of each task: its mean loss, or also its gradient at the shared bottom.
LOSSES, GRADIENTS = "losses", "gradients"


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


@functools.cache
def entry(name: str) -> Entry:
    """Return the Entry of one of NAMES."""
    found = literals(_FILES[name])
    required = [found[key] for key in ("NEEDS", "STATE", "PASSES", "SOURCE")]
    options, uses = found.get("OPTIONS", {}), found.get("USES", ())
    return Entry(name, summary(_FILES[name]), *required, options, tuple(uses))


def help_text() -> str:
    """Return the objectives with one line each, for the help of --objective."""
    width = max(map(len, NAMES))
    lines = [f"{name.ljust(width)}  {summary(path)}" for name, path in _FILES.items()]
    return "\n".join([*lines, f"--objective={LIST} prints their options, state, cost and sources"])


def users(flag: str) -> str:
    """Return the names of the objectives that use a flag, as a comma-separated list."""
    return ", ".join(name for name in NAMES if flag in entry(name).uses)


def unknown(name: str) -> str:
    """Return the error message for an unknown objective; it suggests the nearest name."""
    # Papers write PCGrad, Nash-MTL and IMTL-G.
    nearest = difflib.get_close_matches(name.lower().replace("-", "_"), NAMES, n=1)
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
    foot = (
        "K is the number of tasks; a pass is through the whole network, a short one through its end"
    )
    return "\n".join([*lines, "", foot]) + "\n"


def weights(text: str) -> Tuple[float, ...]:
    """Return the numbers in --task_weights; raise ValueError if it is no list of numbers."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        cure = "write one number for each task, such as 1,0.5"
        raise ValueError(f"--task_weights={text} is no list of numbers; {cure}") from None


def options(name: str, text: str) -> Dict[str, float]:
    """Return the options of an objective, with their defaults.

    Args:
      name: the objective, or module:function, which has none.
      text: --objective_options, such as mu:0.1 or a:1,b:2.

    Returns:
      dict option -> float, or int if its default is an int.

    Raises:
      ValueError: an option is unknown, is given twice, is no number or is out of range.
    """
    known = {} if names_function("objective", name) else entry(name).options
    values = {key: default for key, (default, _, _) in known.items()}
    given = set()
    for part in map(str.strip, text.split(",") if text else ()):
        key, _, number = part.partition(":")
        if key not in known:
            forms = ", ".join(f"{each}:{default:g}" for each, (default, _, _) in known.items())
            cure = f"its options and their defaults are {forms}" if known else "it has no options"
            raise ValueError(f"--objective_options={part} is no option of {name}; {cure}")
        if key in given:
            raise ValueError(f"--objective_options={text} has {key} twice; give it once")
        given.add(key)
        values[key] = _number(part, number, *known[key])
    return values


def _number(part, text, default, least, greatest):
    """Return the number in an option; raise ValueError, naming its part of the flag."""
    kind = type(default)
    try:
        value = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"--objective_options={part} must have {what} after the colon") from None
    limits = Range(least, greatest)
    if not limits.contains(value):
        raise ValueError(f"--objective_options={part} must be {limits.text()}")
    return value


def check(config: Any, tasks: Tuple[str, ...]) -> None:
    """Raise ValueError if the settings of the objective do not fit it.

    Args:
      config: config.Config.
      tasks: the names of its tasks.
    """
    name = config.objective
    options(name, config.objective_options)
    own = names_function("objective", name)
    uses, needs = ((), LOSSES) if own else (entry(name).uses, entry(name).needs)
    for flag, default in (("task_weights", ""), ("clip_min", CLIP_MIN), ("clip_max", CLIP_MAX)):
        value = getattr(config, flag)
        if value != default and flag not in uses:
            what = f"--{flag}={value} has no effect on --objective={name}"
            raise ValueError(f"{what}; use it with {users(flag)}, or remove it")
    if config.clip_min >= config.clip_max:
        what = f"--clip_min={config.clip_min} must be below --clip_max={config.clip_max}"
        raise ValueError(f"{what}; change one of them")
    _check_weights(config.task_weights, tasks)
    if needs == GRADIENTS and len(tasks) < 2:
        what = f"--objective={name} combines the gradients of several tasks, but there is one"
        raise ValueError(f"{what}; use --objective=linear")


def _check_weights(text, tasks):
    """Raise ValueError if --task_weights does not have one valid weight for each task."""
    given = weights(text)
    if not given:
        return
    if len(given) != len(tasks):
        cure = f"give one for each of {', '.join(tasks)}"
        count = "1 weight" if len(given) == 1 else f"{len(given)} weights"
        raise ValueError(f"--task_weights={text} has {count}; {cure}")
    if not all(each == 0 or FLOAT32.contains(each) for each in given) or not any(given):
        what = f"--task_weights={text} must be 0 or {FLOAT32.text()}"
        raise ValueError(f"{what}, and not all 0; change the weights")

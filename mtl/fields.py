"""What a setting is made of: its range, its choices, and names that are found in the sources.

This module does not import TensorFlow, so that flags can be checked without it.
"""

import ast
import contextlib
import dataclasses
import importlib
import math
import pathlib
import re
import traceback
from typing import NamedTuple, Tuple

from mtl.errors import UsageError

PACKAGE = pathlib.Path(__file__).resolve().parent


def declared(files, line):
    """Return the names that source files of the package declare, dict name -> path of the file.

    The files are read, not imported, because importing them would import TensorFlow. Hidden files
    and folders are skipped: macOS and editors leave them beside the sources.

    Args:
      files: str, a glob pattern relative to the package.
      line: str, a regular expression; its group is the name.
    """
    found = {}
    for path in sorted(PACKAGE.glob(files)):
        if any(part.startswith(".") for part in path.relative_to(PACKAGE).parts):
            continue
        for name in re.findall(line, path.read_text(encoding="utf-8"), re.MULTILINE):
            found[name] = path
    return found


def summary(path):
    """Return the first line of the docstring of a source file."""
    return path.read_text(encoding="utf-8").split('"""')[1].splitlines()[0].rstrip(".")


class Range(NamedTuple):
    """The numbers that a field accepts."""

    low: float
    high: float = math.inf
    above_low: bool = False  # whether low itself is excluded
    below_high: bool = False  # whether high itself is excluded

    def contains(self, value) -> bool:
        """Return whether a number is in the range. NaN never is, because it fails comparisons."""
        above = value > self.low if self.above_low else value >= self.low
        below = value < self.high if self.below_high else value <= self.high
        return above and below

    def text(self) -> str:
        """Return the range in words, such as "from 0 to 1"."""
        if math.isinf(self.high):
            return "above 0 and finite" if self.above_low else f"at least {self.low:g}"
        ends = f"from {self.low:g} to {self.high:.10g}"
        return f"{ends}, {self.high:g} excluded" if self.below_high else ends


SHARE = Range(0.0, 1.0)
SHARE_BELOW_1 = Range(0.0, 1.0, below_high=True)
ABOVE_0 = Range(0.0, above_low=True, below_high=True)
FROM_0 = Range(0.0, below_high=True)
# Numbers that are neither 0 nor infinite in float32, without the denormal ones, which some
# processors set to 0.
FLOAT32 = Range(1.2e-38, 3.4e38)
POSITIVE = Range(1)
NOT_NEGATIVE = Range(0)


def setting(default, text, *, choices=None, range=None, own=False):
    """Return a field of a dataclass; own: whether it also accepts module:function."""
    metadata = {"help": text, "choices": choices, "range": range, "own": own}
    return dataclasses.field(default=default, metadata=metadata)


def literals(path):
    """Return the constants of a source file whose values are literals, dict name -> value.

    The file is read, not imported, because importing it may import TensorFlow.
    """
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(ValueError):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def hidden_units(text: str) -> Tuple[int, ...]:
    """Return the sizes in --top_units; raise ValueError if they are not a list of positive int."""
    parts = text.split(",") if text else []
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 10**6 for part in parts):
        cure = "give the units of each hidden layer, such as 128 or 128,64"
        raise ValueError(f"--top_units={text} must be a list of sizes; {cure}")
    return tuple(map(int, parts))


def names_function(name: str, value: str) -> bool:
    """Return whether the value of a field names a function of the user, module:function.

    Raises:
      ValueError: the value has a colon, but not this form.
    """
    if ":" not in value:
        return False
    parts = value.split(":")
    if len(parts) != 2 or not all(part.isidentifier() for part in parts[0].split(".") + parts[1:]):
        cure = "write module:function, such as my_code:my_function"
        raise ValueError(f"{name}={value} does not name a function; {cure}")
    return True


def imported(name: str, value: str):
    """Return the function that a field names as module:function.

    Raises:
      UsageError: the module cannot be imported, or has no such function.
    """
    module, function = value.split(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:  # a script without a check of __name__ may exit
        what = f"--{name}={value} cannot be imported ({_first_line(error)})"
        cure = "check the names; run mtl in the folder of the module, or add it to PYTHONPATH"
        raise UsageError(f"{what}; {cure}") from error
    if not callable(found):
        raise UsageError(f"--{name}={value} is not a function; name one")
    return found


# How a function of the user is called, by field.
SIGNATURES = {
    "bottom": "f(inputs, *, dropout, seed, step, towers)",
    "objective": "f(logits, labels, means)",
}


def call_own(name: str, value: str, *arguments, **settings):
    """Call the function that a field names as module:function; return its result.

    Raises:
      UsageError: see `imported`, or the function raised an exception. The message has its line.
    """
    function = imported(name, value)
    try:
        return function(*arguments, **settings)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        file = getattr(importlib.import_module(value.split(":")[0]), "__file__", None)
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == file]
        where = f"{file} line {lines[-1]}" if lines else f"--{name}={value}"
        cure = f"correct {value}; it is called as {SIGNATURES[name]}"
        raise UsageError(f"{where}: {_first_line(error)}; {cure}") from error


def _first_line(error):
    """Return the type and the message of an exception on one line of at most 200 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]

"""The formats of exported models. One file each, found by its line FORMAT = "name".

The file NAME.py has:

    FORMAT = "name"              the line that registers it for `mtl export --format=name`
    FILE                         name of the model in its folder
    TEXT                         whether it has strings, and so encoded images and `number`
    QUANTIZE                     optional: values of --quantize, "none" first
    check()                      optional: raise UsageError if a package is missing
    write(exported, folder, options)
                                 write FILE into a folder; raise DataError if it cannot. exported:
                                 graph.Exported, options: Options

The first line of its docstring is its help text. TensorFlow is imported within the functions that
need it, because `mtl export --help` reads the module too.
"""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from mtl import fields

FILES = fields.declared("serving/formats/*.py", r'^FORMAT = "(\w+)"$')  # name -> path
NAMES = tuple(FILES)
DEFAULT = "saved_model"


class Options(NamedTuple):
    """What a format may need beside the graph."""

    quantize: str = "none"
    examples: Callable[[], Any] | None = None  # () -> some inputs, [n, *inputs.shape]


def find(name: str):
    """Return the module of a format of NAMES."""
    return importlib.import_module(f"{__name__}.{FILES[name].stem}")


def quantizations(name: str) -> tuple[str, ...]:
    """Return the values of --quantize that a format has."""
    return getattr(find(name), "QUANTIZE", ("none",))

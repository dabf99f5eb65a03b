"""List the examples, or write the data of one: python -m mtl.examples [NAME [--out=DIR]]."""

import ast
import os

from mtl import examples
from mtl.cli import console
from mtl.errors import UsageError, shown

COMMAND = "python -m mtl.examples"
LIST = f"""usage: {COMMAND} NAME [--out=DIR]

{{titles}}

It writes the splits train, validation and test into DIR, by default data/NAME, and prints the
command that trains on them. In the repository, flags/NAME.flags has settings that suit it."""


def title(path):
    """Return the first line of an example's docstring, without importing it."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]


def main(arguments):
    """Write the data of an example; arguments: list of str, without the program's name.

    Raises:
      UsageError: there is no such example, or an argument is unknown.
      DataError: see examples.write.
    """
    if not arguments or {"--help", "-h"}.intersection(arguments):
        titles = [f"  {title(path)}" for path in examples.found().values()]
        print(LIST.format(titles="\n".join(titles)))
        return
    name, *others = arguments
    out = _out(name, others)
    example = examples.find(name)
    counts = examples.write(example, out)
    text = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    print(f"{shown(out)}: {text}")
    data = f"--dataset={example.DATASET} --data_dir={shown(out)} --tasks={example.TASKS}"
    print(f"mtl train {data} --bottom={example.BOTTOM} --model_dir=runs/{name}", flush=True)


def _out(name, others):
    """Return the folder to write; others: the arguments after the name of the example."""
    if name not in examples.found():
        names = ", ".join(examples.found())
        cure = f"choose {names}, for example: {COMMAND} digits --out=data/digits"
        raise UsageError(f"unknown example {name!r}; {cure}")
    out = os.path.join("data", name)
    for argument in others:
        flag, equals, out = argument.partition("=")
        if flag != "--out" or not equals or not out:
            cure = f"use {COMMAND} {name} --out=data/{name}"
            raise UsageError(f"unknown argument {argument!r}; {cure}")
    return out


if __name__ == "__main__":
    console.run_module("mtl.examples", main)

"""List the lessons, run one, or run its solution: python -m mtl.lessons [NUMBER [--solution]]."""

import ast
import importlib
import pathlib

from mtl.cli import console
from mtl.errors import UsageError

COMMAND = "python -m mtl.lessons"
FOLDER = pathlib.Path(__file__).parent
LIST = f"""usage: {COMMAND} [NUMBER [--solution]]

{{titles}}

The files are in {FOLDER}.
Read a lesson first: it says what it prints. Then run it by its number.
Each lesson ends with a question; --solution computes and prints the answer."""


def lessons():
    """Return the paths of the lessons by number: {"1": .../lesson1_graph.py, ...}."""
    return {path.name[len("lesson")]: path for path in sorted(FOLDER.glob("lesson[0-9]_*.py"))}


def title(path):
    """Return the first line of a lesson's docstring; importing it would import TensorFlow."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]


def main(arguments):
    """Run the lessons command; arguments: list of str, without the program's name.

    Raises:
      UsageError: there is no such lesson.
    """
    found = lessons()
    if not arguments or {"--help", "-h"}.intersection(arguments):
        titles = [f"  {title(path)}  ({path.name})" for path in found.values()]
        print(LIST.format(titles="\n".join(titles)))
        return
    numbers = [argument for argument in arguments if argument != "--solution"]
    if len(numbers) != 1 or numbers[0] not in found:
        what = f"unknown lesson {' '.join(numbers)!r}" if numbers else "no lesson number"
        cure = f"choose 1 to {len(found)}, for example: {COMMAND} 3 --solution"
        raise UsageError(f"{what}; {cure}")
    path = found[numbers[0]]
    console.start_tensorflow()
    lesson = importlib.import_module(f"mtl.lessons.{path.stem}")
    if "--solution" in arguments:
        print(f"Question: {lesson.QUESTION}\n")
        lesson.solution()
    else:
        lesson.main()
        print(f"\nQuestion: {lesson.QUESTION}", flush=True)


if __name__ == "__main__":
    console.set_backends()
    console.run_module("mtl.lessons", main)

"""`python -m mtl.lessons [NUMBER [--solution]]`: list the lessons, run one, or run the solution of its question."""

import ast
import importlib
import os
import pathlib
import signal
import sys

from mtl.cli import common
from mtl.errors import UsageError

USAGE = "python -m mtl.lessons [NUMBER [--solution]]"


def lessons():
    """Return the paths of the lessons by number, as they are written on a command line: {"1": .../lesson1_graph.py, ...}."""
    return {
        path.name[len("lesson")]: path
        for path in sorted(pathlib.Path(__file__).parent.glob("lesson[0-9]_*.py"))
    }


def title(path):
    """Return what a lesson is about: the first line of its docstring, read and not imported, because that would import TensorFlow."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]


def main(arguments):
    """Do what the command line (list of str) asks for.

    Raises:
      UsageError: there is no such lesson.
    """
    found = lessons()
    numbers = [argument for argument in arguments if argument != "--solution"]
    if not arguments or {"--help", "-h"}.intersection(arguments):
        foot = f"The files lie in {pathlib.Path(__file__).parent}. Read one, which says what it will print; run it by its number,\n"
        foot += "think about the question that it ends with, and run the solution by --solution."
        print(
            "\n".join(
                [
                    f"usage: {USAGE}",
                    "",
                    *(f"  {title(path)}  ({path.name})" for path in found.values()),
                    "",
                    foot,
                ]
            )
        )
        return
    if len(numbers) != 1 or numbers[0] not in found:
        what = f"unknown lesson {' '.join(numbers)!r}" if numbers else "no lesson was named"
        raise UsageError(
            f"{what}; the lessons are 1 to {len(found)}, as in {USAGE.replace('[NUMBER [--solution]]', '3 --solution')}"
        )
    common.start_tensorflow(verbosity=0)
    lesson = importlib.import_module(f"mtl.lessons.{found[numbers[0]].stem}")
    if "--solution" in arguments:
        lesson.solution()
    else:
        lesson.main()
        print(f"\nQuestion: {lesson.QUESTION}", flush=True)


# Processes that are spawned import this file anew under another name: without the guard each would start a lesson.
if __name__ == "__main__":
    common.set_backends()
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except UsageError as error:
        print(f"mtl.lessons: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("mtl.lessons: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        # Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)

"""Run the benchmarks and print their tables as Markdown. Linux only.

    python -m tests.benchmarks [--csv=FILE] [--write]
    python -m tests.benchmarks --only=step --bottom=small --precision=bf16
    python -m tests.benchmarks --only=records --data_dir=DIR [--bottom=base] [--augment=0.5]
    python -m tests.benchmarks --only=cores --quick                 # a machine with many cores
    python -m tests.benchmarks --only=objectives [--quick]          # --quick: 2 and 6 tasks
    python -m tests.benchmarks --only=cluster                       # five minutes
    python -m tests.benchmarks --only=export [--data_dir=SVHN]      # needs '.[onnx]' and others
    python -m tests.benchmarks --only=serving [--servers=PYTHON]    # that has litserve, bentoml
    python -m tests.benchmarks --isa=avx2 [--only=step] [--write]    # sections step_avx2, ...

--write also replaces the section of each benchmark in RESULTS.md.
"""

import argparse
import contextlib
import importlib
import os
import platform

from mtl import config, machine
from tests.benchmarks import isa, results, tables

# Each is a module of this folder with a TITLE and run(arguments).
DEFAULT = ("step", "prediction", "ceiling", "cold", "scaling", "input")
# Hours; need data; need a machine with many cores; minutes to build the graphs; nine processes;
# need the runtimes of other formats; needs '.[serve]'.
ALONE = ("quality", "records", "cores", "objectives", "cluster", "export", "serving")
LIMITED = ("step", "prediction", "ceiling")  # with --isa; each has a section for each limit
# Fields of Config that --only=records may set, with their defaults.
RECORDS = {"batch_size": 32, "augment": 0.0, "workers": 0}
# With one of these a part is incomplete, so that it cannot replace a section.
FILTERS = ("bottom", "precision", "quick", "threads", "batches", "minutes")


def main():
    arguments = _parse()
    machine.configure()
    isa.limit(arguments.isa)
    names = [arguments.only] if arguments.only else LIMITED if arguments.isa else DEFAULT
    with contextlib.ExitStack() as stack:
        if arguments.csv:
            tables.write_to(stack.enter_context(open(arguments.csv, "w", encoding="utf-8")))
        for name in names:
            module = importlib.import_module(f"tests.benchmarks.{name}")
            title, of_page = module.TITLE, name
            if arguments.isa:
                title += f", {isa.described(arguments.isa)}"
                of_page += f"_{arguments.isa}"
            section = results.section(of_page) if arguments.write else contextlib.nullcontext()
            with section:
                print(f"### {title}\n\n{_machine(arguments.isa)}\n", flush=True)
                module.run(arguments)


def _parse():
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure speeds and print them as Markdown. Compare ratios of one run only.",
    )
    bottoms = [name for name in config.BOTTOMS if name != "mlp"]
    text = f"run one benchmark (default: {', '.join(DEFAULT)})"
    parser.add_argument("--only", choices=[*DEFAULT, *ALONE], help=text)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (default 7)")
    parser.add_argument("--csv", help="CSV file to write every measured value to")
    parser.add_argument("--write", action="store_true", help="replace the sections of RESULTS.md")
    parser.add_argument("--bottom", choices=bottoms, help="only this network")
    parser.add_argument("--precision", choices=config.choices("precision"), help="only this one")
    text = "skip JAX and compiled competitors, and some networks, batches and numbers of tasks"
    parser.add_argument("--quick", action="store_true", help=text)
    text = "limit all sides to an older instruction set"
    parser.add_argument("--isa", choices=list(isa.LIMITS), help=text)
    text = "with --only=cores, such as 2,4,8"
    parser.add_argument("--threads", type=_numbers, help=f"{text} (default: up to the cores)")
    parser.add_argument("--batches", type=_numbers, help=text)
    text = "with --only=cores, start no further table after them"
    parser.add_argument("--minutes", type=float, help=text)
    text = "records to read, with --only=records; photographs as SVHN has them, with --only=export"
    parser.add_argument("--data_dir", help=text)
    text = "a Python with mtl, litserve and bentoml, to compare with, with --only=serving"
    parser.add_argument("--servers", help=text)
    for name, value in RECORDS.items():
        text = f"of the run, with --only=records (default {value})"
        parser.add_argument(f"--{name}", type=type(value), default=value, help=text)
    arguments = parser.parse_args()
    _check(parser, arguments)
    return arguments


def _numbers(text):
    """Parse "2,4,8"."""
    return tuple(map(int, text.split(",")))


def _check(parser, arguments):
    """Exit with a message where the arguments do not fit together."""
    if arguments.only == "records" and not arguments.data_dir:
        parser.error("--data_dir is required with --only=records; name what mtl convert wrote")
    if arguments.isa and arguments.only not in (None, *LIMITED):
        parser.error(f"--isa does not work with --only={arguments.only}; name one of {LIMITED}")
    if arguments.rounds < 1:
        parser.error(f"--rounds={arguments.rounds} must be at least 1")
    if arguments.csv and not os.access(os.path.dirname(arguments.csv) or ".", os.W_OK):
        parser.error(f"--csv={arguments.csv}: its folder cannot be written; choose another")
    given = [name for name in FILTERS if getattr(arguments, name)]
    if arguments.write and given:
        parser.error(f"--write does not work with --{given[0]}, which skips part of a section")


def _machine(limit):
    """Return the processor, its limit, the versions and the load of this machine, as a sentence."""
    # Not at the top: worker processes import this module again and do not need TensorFlow.
    from mtl.runs.environment import processor
    from tests.benchmarks import sides

    parts = [processor(), f"{machine.cores()} cores"]
    parts += [isa.described(limit)] if limit else []
    parts += [f"{platform.system()} {platform.release()}"]
    parts += [f"Python {platform.python_version()}"]
    parts += [f"{name} {sides.version(name)}" for name in ("tensorflow", "numpy")]
    return f"{', '.join(parts)}; load {os.getloadavg()[0]:.1f}."


if __name__ == "__main__":
    main()

"""Run the benchmarks, print Markdown and write every value as CSV.

python -m tests.benchmarks [--csv=FILE]
python -m tests.benchmarks --only=step --bottom=small --precision=bf16
python -m tests.benchmarks --only=records --data_dir=DIR [--bottom=base --precision=bf16 --batch_size=64 --augment=0.5]
"""

import argparse
import contextlib
import importlib
import os
import platform

from mtl import config
from mtl.runs.environment import processor
from mtl.errors import MtlError
from tests.benchmarks import tables

FIELDS = ("batch_size", "augment", "workers")


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Print ratios of speeds, each measured in one run.",
    )
    parts = {
        "step": _step,
        "reading": _reading,
        "ceiling": _plain,
        "cold": _plain,
        "scaling": _plain,
        "input": _input,
    }
    alone = {"quality": _plain, "records": _records}  # they take long, or need data
    parser.add_argument(
        "--only", choices=[*parts, *alone], help="one of them; the first six are run without it"
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--csv", help="the file to write every value to")
    parser.add_argument("--data_dir", help="of the records")
    parser.add_argument("--bottom", choices=[name for name in config.BOTTOMS if name != "mlp"], help="this network alone")
    parser.add_argument("--precision", choices=config.choices("precision"), help="this precision alone")
    parser.add_argument("--quick", action="store_true", help="without the peers that compile")
    for name in FIELDS:
        default = getattr(config.Config, name)
        parser.add_argument(
            f"--{name}", type=type(default), default=default, help="of the run, with --only=records"
        )
    arguments = parser.parse_args()
    if arguments.only == "records" and not arguments.data_dir:
        parser.error("--only=records needs --data_dir, what mtl convert wrote")
    if arguments.rounds < 1:
        parser.error(f"--rounds={arguments.rounds}: one at least")
    if arguments.csv and not os.access(os.path.dirname(arguments.csv) or ".", os.W_OK):
        parser.error(f"--csv={arguments.csv}: its folder is missing or closed")
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    print(f"{machine}; load before the start: {os.getloadavg()[0]:.1f}\n", flush=True)
    with open(arguments.csv, "w") if arguments.csv else contextlib.nullcontext() as file:
        if file:
            tables.write_to(file)
        for name, run in (parts | alone).items():
            if name == arguments.only or (not arguments.only and name in parts):
                run(name, arguments)


def _plain(name, arguments):
    module = importlib.import_module(f"tests.benchmarks.{name}")
    given = {"rounds": arguments.rounds} if name in ("ceiling", "cold") else {}
    module.run(**given)


def _step(name, arguments):
    from tests.benchmarks import step

    chosen = {"bottoms": (arguments.bottom,)} if arguments.bottom else {}
    if arguments.precision:
        chosen["precisions"] = (arguments.precision,)
    step.run(arguments.rounds, quick=arguments.quick, **chosen)


def _reading(name, arguments):
    from tests.benchmarks import reading

    chosen = {"bottoms": (arguments.bottom,)} if arguments.bottom else {}
    reading.run(arguments.rounds, quick=arguments.quick, **chosen)


def _input(name, arguments):
    from tests.benchmarks import input_rate

    input_rate.run(arguments.rounds)


def _records(name, arguments):
    from mtl.data.records import manifest
    from tests.benchmarks import input_rate

    try:
        manifest.find_shards(arguments.data_dir, "train")
    except MtlError as error:
        raise SystemExit(f"benchmarks: {error}") from None
    fields = {name: getattr(arguments, name) for name in FIELDS}
    fields |= {
        name: value for name in ("bottom", "precision") if (value := getattr(arguments, name))
    }
    input_rate.run(
        arguments.rounds,
        config=config.Config(dataset="records", data_dir=arguments.data_dir, **fields),
    )


if __name__ == "__main__":
    main()

"""Run the benchmarks and print Markdown.

    python -m tests.benchmarks [--only=step|input] [--rounds=N] [--steps=N]
    python -m tests.benchmarks --only=records --data_dir=DIR [--bottom=base --precision=bf16 --batch_size=64 --augment=0.5]
"""

import argparse
import importlib.metadata
import os
import platform

from mtl import config

FIELDS = ("bottom", "precision", "batch_size", "augment", "workers")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Print ratios of speeds, each measured in one run.")
    text = "step: mtl against Keras; input: the synthetic stream against memory; records: those of --data_dir against memory"
    parser.add_argument("--only", choices=["step", "input", "records"], help=text)
    parser.add_argument("--rounds", type=int, help="turns of each side (7 for step, 5 for input)")
    parser.add_argument("--steps", type=int, help="training steps of a turn (60 for step, two rounds of the pool for input)")
    parser.add_argument("--data_dir", help="of the records")
    for name in FIELDS:
        default = getattr(config.Config, name)
        parser.add_argument(f"--{name}", type=type(default), default=default, help="of the run, with --only=records")
    arguments = parser.parse_args()
    if arguments.only == "records" and not arguments.data_dir:
        parser.error("--only=records needs --data_dir, what mtl convert wrote")
    given = {name: value for name in ("rounds", "steps") if (value := getattr(arguments, name))}
    print(f"Python {platform.python_version()}, TensorFlow {importlib.metadata.version('tensorflow')}, {os.cpu_count()} cores, "
          f"{platform.platform()}; load before the start: {os.getloadavg()[0]:.1f}\n")
    if arguments.only in (None, "step"):
        try:
            from tests.benchmarks import keras_step  # here, so that the other benchmark does without Keras
        except ModuleNotFoundError as error:
            raise SystemExit(f"benchmarks: {error}; pip install '.[bench]', or --only=input") from None
        keras_step.run(**given)
    if arguments.only != "step":
        from tests.benchmarks import input_rate

        if arguments.only == "records":
            fields = {name: getattr(arguments, name) for name in FIELDS}
            given["config"] = config.Config(dataset="records", data_dir=arguments.data_dir, **fields)
        input_rate.run(**given)


if __name__ == "__main__":
    main()

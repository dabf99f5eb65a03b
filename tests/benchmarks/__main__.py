"""Run the benchmarks and print Markdown.

    python -m tests.benchmarks [--only=step|input] [--rounds=N] [--steps=N]
"""

import argparse
import importlib.metadata
import os
import platform


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Print ratios of speeds, each measured in one run.")
    parser.add_argument("--only", choices=["step", "input"], help="step: mtl against Keras; input: the synthetic stream against memory")
    parser.add_argument("--rounds", type=int, help="turns of each side (7 for step, 5 for input)")
    parser.add_argument("--steps", type=int, help="training steps of a turn (60 for step, two rounds of the pool for input)")
    arguments = parser.parse_args()
    given = {name: value for name in ("rounds", "steps") if (value := getattr(arguments, name))}
    print(f"Python {platform.python_version()}, TensorFlow {importlib.metadata.version('tensorflow')}, {os.cpu_count()} cores, "
          f"{platform.platform()}; load before the start: {os.getloadavg()[0]:.1f}\n")
    if arguments.only != "input":
        try:
            from tests.benchmarks import keras_step  # here, so that the other benchmark does without Keras
        except ModuleNotFoundError as error:
            raise SystemExit(f"benchmarks: {error}; pip install '.[bench]', or --only=input") from None
        keras_step.run(**given)
    if arguments.only != "step":
        from tests.benchmarks import input_rate

        input_rate.run(**given)


if __name__ == "__main__":
    main()

"""`mtl predict`: the numbers in pictures, as a trained network reads them."""

import json
import sys

from absl import flags

from mtl.cli import common
from mtl.errors import DataError, UsageError

USAGE = "mtl predict --model_dir=DIR [--json] IMAGE..."
SUMMARY = "read the numbers in picture files"
BATCH = 256  # pictures read at a time: it bounds memory


def define(values):
    """Define the flags: which network, how to print."""
    common.define_model_dir(values, "the run directory whose network reads")
    flags.DEFINE_string("checkpoint", "best", "best, last, or the path of a checkpoint", flag_values=values)
    flags.DEFINE_boolean("json", False, "print one JSON object a picture, with the probabilities of all six tasks", flag_values=values)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    common.check_model_dir(values, "no weights come with the package yet: train some with mtl train --model_dir=runs/mine")
    if not arguments and not values.only_check_args:
        raise UsageError("no IMAGE given; name at least one picture file")


def main(values, arguments):
    """Read the pictures in the order given; a bad one costs one line on stderr and, at the end, the exit code 2."""
    common.start_tensorflow(values.verbosity)
    import numpy as np

    from mtl import decode, evaluate, predict
    from mtl.data import images

    failed = False
    # Where the results themselves run over the terminal, they are the progress.
    with predict.Network.open(values.model_dir, values.checkpoint) as network, common.bar(len(arguments), not sys.stdout.isatty()) as bar:
        for first in range(0, len(arguments), BATCH):
            files, windows = [], []
            for file in arguments[first : first + BATCH]:
                try:
                    windows.append(images.window(images.read(file)))
                    files.append(file)
                except DataError as error:
                    common.say(f"mtl predict: {error}")
                    failed = True
                bar.update()
            log_probs = evaluate.read(network.log_probs, np.array(windows)) if files else {}
            numbers, confidences = decode.joint(log_probs) if files else ([], [])
            for i, (file, number, confidence) in enumerate(zip(files, numbers, confidences)):
                result = predict.prediction(file, number, confidence, {name: rows[i] for name, rows in log_probs.items()})
                print(json.dumps(result, allow_nan=False) if values.json else _line(result))
            sys.stdout.flush()
    return DataError.exit_code if failed else 0


def _line(result):
    number = "more than 5 digits" if result["number"] is None else result["number"] or "no number"
    return f"{result['file']}  {number}  {result['confidence']:.3f}"

"""The accuracy of `mtl predict` on the whole images of an SVHN folder, without their boxes.

    python -m tests.benchmarks.predict_accuracy --model_dir=pretrained --data_dir=DIR --split=test
    python -m tests.benchmarks.predict_accuracy --model_dir=pretrained --data_dir=DIR --grown=2

--grown tests how much ground may surround a number: it makes each image twice as wide and high, and
fills the margin with its border pixels.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from mtl.data import images
from mtl.data.svhn import digit_struct
from mtl.evaluation import metrics


def main():
    arguments = _parse()
    numbers = _numbers(os.path.join(arguments.data_dir, arguments.split))
    with tempfile.TemporaryDirectory() as folder:
        if arguments.grown > 1.0:
            numbers = {
                _grow(path, folder, arguments.grown): number for path, number in numbers.items()
            }
        answers = _predict(arguments.model_dir, numbers)
    truths = [numbers[answer["file"]] for answer in answers]
    correct = metrics.correct([answer["number"] for answer in answers], truths)
    low, high = metrics.interval(int(correct.sum()), len(correct))
    share = f"{correct.mean():.1%} (95% interval {low:.1%} to {high:.1%})"
    print(f"{arguments.model_dir}: {correct.sum()} of {len(correct)} images correct: {share}")


def _parse():
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_dir", required=True, help="run directory, or pretrained")
    parser.add_argument("--data_dir", required=True, help="folder of SPLIT/digitStruct.mat")
    parser.add_argument("--split", default="test", help="default test")
    text = "times by which to enlarge each image, at least 1 (default 1)"
    parser.add_argument("--grown", type=float, default=1.0, help=text)
    return parser.parse_args()


def _numbers(directory):
    """Return the numbers of the images that exist, dict path -> number."""
    found = {}
    for entry in digit_struct.entries(os.path.join(directory, "digitStruct.mat")):
        path = os.path.join(directory, entry.name)
        if os.path.exists(path):
            found[path] = entry.number
    return found


def _grow(path, folder, times):
    """Write an enlarged copy of an image into a folder; return its path."""
    pixels = np.asarray(images.read(path))
    down, across = (round(size * (times - 1.0) / 2.0) for size in pixels.shape[:2])
    grown = os.path.join(folder, os.path.basename(path))
    Image.fromarray(np.pad(pixels, ((down, down), (across, across), (0, 0)), "edge")).save(grown)
    return grown


def _predict(model_dir, paths):
    """Return the JSON objects that `mtl predict` prints for images."""
    command = [sys.executable, "-m", "mtl", "predict", f"--model_dir={model_dir}", "--json", *paths]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()

"""How often `mtl predict` reads the whole pictures of an SVHN folder right, boxes unseen: what a person gets who gives it photographs.

    python -m tests.benchmarks.predict_accuracy --model_dir=pretrained --data_dir=DIR --split=test
    python -m tests.benchmarks.predict_accuracy --model_dir=pretrained --data_dir=DIR --split=train --grown=2

The second asks how much ground may be around a number: each picture is first made twice as wide and high, its last pixels continued.
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


def grow(path, folder, times):
    """Write a picture with its last pixels continued to `times` its width and height into a folder; return the path."""
    pixels = np.asarray(images.read(path))
    down, across = (round(size * (times - 1.0) / 2.0) for size in pixels.shape[:2])
    grown = os.path.join(folder, os.path.basename(path))
    Image.fromarray(np.pad(pixels, ((down, down), (across, across), (0, 0)), "edge")).save(grown)
    return grown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_dir", required=True)
    parser.add_argument(
        "--data_dir", required=True, help="the folder that holds SPLIT/digitStruct.mat"
    )
    parser.add_argument("--split", default="test")
    parser.add_argument(
        "--grown",
        type=float,
        default=1.0,
        help="make each picture so many times as wide and high first, from 1 on",
    )
    flags = parser.parse_args()
    directory = os.path.join(flags.data_dir, flags.split)
    numbers = {
        os.path.join(directory, entry.name): entry.number
        for entry in digit_struct.entries(os.path.join(directory, "digitStruct.mat"))
    }
    numbers = {path: number for path, number in numbers.items() if os.path.exists(path)}
    with tempfile.TemporaryDirectory() as folder:
        if flags.grown > 1.0:
            numbers = {grow(path, folder, flags.grown): number for path, number in numbers.items()}
        command = [
            sys.executable,
            "-m",
            "mtl",
            "predict",
            f"--model_dir={flags.model_dir}",
            "--json",
            *numbers,
        ]
        answers = [
            json.loads(line)
            for line in subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            ).stdout.splitlines()
        ]
    right = metrics.right(
        [answer["number"] for answer in answers], [numbers[answer["file"]] for answer in answers]
    )
    low, high = metrics.interval(int(right.sum()), len(right))
    share = f"{right.mean():.1%} (95% interval {low:.1%} to {high:.1%})"
    print(f"{flags.model_dir}: {right.sum()} of {len(right)} whole pictures right: {share}")


if __name__ == "__main__":
    main()

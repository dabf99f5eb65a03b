"""Write the images of the study: python -m mtl.lab.study OUT PHOTOGRAPHS; see STUDY.md.

OUT gets the folders easy and hard, drawn numbers of two difficulties, and photographs, the numbers
of the SVHN folder PHOTOGRAPHS. All images have 36x36 pixels, so that a run takes seconds.
"""

import os

from mtl.cli import console
from mtl.data import npz
from mtl.errors import UsageError
from mtl.runs import files

USAGE = "usage: python -m mtl.lab.study OUT PHOTOGRAPHS"
WINDOW = 36  # pixels
COUNTS = {"train": 8000, "validation": 1000, "test": 2000}  # of drawn images
DIFFICULTIES = {"easy": 0.2, "hard": 0.7}


def main(arguments):
    """Write the data; arguments: OUT and PHOTOGRAPHS."""
    if len(arguments) != 2:
        raise UsageError(f"two folders are required; {USAGE}")
    out, photographs = arguments
    for name, difficulty in DIFFICULTIES.items():
        for split, count in COUNTS.items():
            options = {"count": count, "difficulty": difficulty}
            _write(out, name, split, ("synthetic", "", split), options)
    for split in COUNTS:
        _write(out, "photographs", split, ("svhn", photographs, split), {})


def _write(out, name, split, source, options):
    """Load examples from a source, and write them as a split of the dataset `name`."""
    folder = os.path.join(out, name)
    examples = console.load(*source, window=WINDOW, **options)
    files.check_folder(folder, "OUT")
    os.makedirs(folder, exist_ok=True)
    npz.save(os.path.join(folder, f"{split}.npz"), examples)
    print(f"{os.path.join(folder, split)}.npz: {len(examples.names):,} images")


if __name__ == "__main__":
    console.run_module("mtl.lab.study", main)

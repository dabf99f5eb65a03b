"""Write the images of the study in mtl/lab/STUDY.md.

    python -m tests.benchmarks.study_data --photographs=DIR --out=data/study

The folders easy and hard are drawn numbers of two difficulties; photographs are the numbers of DIR,
a folder of the SVHN layout. All images have 36x36 pixels, so that a run takes seconds.
"""

import argparse
import os

from mtl.data import npz, registry

WINDOW = 36  # pixels
COUNTS = {"train": 8000, "validation": 1000, "test": 2000}  # of drawn images
DIFFICULTIES = {"easy": 0.2, "hard": 0.7}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.study_data")
    parser.add_argument("--photographs", required=True, help="a folder of the SVHN layout")
    parser.add_argument("--out", default="data/study", help="the folder to write")
    arguments = parser.parse_args()
    write(arguments.out, arguments.photographs)


def write(out, photographs):
    """Write all splits of the three datasets, and print a line for each."""
    for name, difficulty in DIFFICULTIES.items():
        for split, count in COUNTS.items():
            options = {"count": count, "difficulty": difficulty, "window": WINDOW}
            _save(out, name, split, registry.load("synthetic", "", split, **options))
    for split in COUNTS:
        examples = registry.load("svhn", photographs, split, window=WINDOW)
        _save(out, "photographs", split, examples)


def _save(out, name, split, examples):
    os.makedirs(os.path.join(out, name), exist_ok=True)
    path = os.path.join(out, name, f"{split}.npz")
    npz.save(path, examples)
    print(f"{path}: {len(examples.names):,} images", flush=True)


if __name__ == "__main__":
    main()

"""How often `mtl predict` reads the whole pictures of an SVHN folder right, boxes unseen: what a person gets who gives it photographs.

    python -m tests.benchmarks.predict_accuracy --model_dir=runs/drawn --data_dir=DIR --split=test
"""

import argparse
import json
import os
import subprocess
import sys

from mtl import metrics
from mtl.data import svhn


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--data_dir", required=True, help="the folder that holds SPLIT/digitStruct.mat")
    parser.add_argument("--split", default="test")
    flags = parser.parse_args()
    directory = os.path.join(flags.data_dir, flags.split)
    numbers = {os.path.join(directory, entry.name): entry.number for entry in svhn.entries(os.path.join(directory, "digitStruct.mat"))}
    numbers = {path: number for path, number in numbers.items() if os.path.exists(path)}
    command = [sys.executable, "-m", "mtl", "predict", f"--model_dir={flags.model_dir}", "--json", *numbers]
    answers = [json.loads(line) for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()]
    right = metrics.right([answer["number"] for answer in answers], [numbers[answer["file"]] for answer in answers])
    low, high = metrics.interval(int(right.sum()), len(right))
    share = f"{right.mean():.1%} (95% interval {low:.1%} to {high:.1%})"
    print(f"{flags.model_dir}: {right.sum()} of {len(right)} whole pictures right: {share}")


if __name__ == "__main__":
    main()

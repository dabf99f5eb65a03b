"""A program that behaves like `mtl train` and `mtl evaluate`, without TensorFlow and in no time.

The score of a run is a fixed function of its flags, see `score`. Some flags ask for trouble:

    --learning_rate=0.9     the run ends with exit code 3
    --clip_norm=9           the first process of a run ends with exit code 2, the second succeeds
    --steps=77              the run waits for a signal; the next process of it continues
"""

import fcntl
import json
import os
import signal
import sys
import time

SCORES = {"linear": 0.6, "log_sum": 0.7, "geometric": 0.5}
WEIGHTS = {"linear": (1.0, 1.0), "log_sum": (1.0, 3.0)}
FLOOR = {"log_sum": 1}


def score(flags):
    """Return the score: of the objective, plus 0.01 * seed, plus 10 * learning rate."""
    base = SCORES[flags.get("objective", "log_sum")]
    if "best_by" in flags:  # a single-task network
        base = 0.8
    return base + 0.01 * int(flags.get("seed", 0)) + 10 * float(flags.get("learning_rate", 0.003))


def main(command, *arguments):
    flags = {}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        flags[name] = value
    folder = flags["model_dir"]
    if command == "evaluate":
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            trained = json.load(file)
        print("a line of TensorFlow")
        print(json.dumps({"split": "test", **row(trained, 4, score(trained) - 0.1)}))
        return 0
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return train(folder, flags)


def train(folder, flags):
    starts = os.path.join(folder, "starts")
    with open(starts, "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {flags['threads']}\n")
    with open(starts, encoding="utf-8") as file:
        count = len(file.readlines())
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(flags, file)
    with open(os.path.join(folder, "versions.json"), "w", encoding="utf-8") as file:
        json.dump({"mtl": "of the test"}, file)
    if flags.get("learning_rate") == "0.9":
        return fail("task a: loss is nan at step 2; lower --learning_rate", 3)
    if flags.get("clip_norm") == "9.0" and count == 1:
        return fail("data: no such file; choose another", 2)
    if flags.get("steps") == "77" and count == 1:
        wait(folder)
    print("step 2/4  1000 examples/s  0:01 left  cost 1.000")
    print("step 4/4  4000 examples/s  0:00 left  cost 1.000")
    rows = [row(flags, 2, score(flags) - 0.2), row(flags, 4, score(flags))]
    with open(os.path.join(folder, "metrics.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in rows)
    return 0


def wait(folder):
    """Wait for a signal, note its number, and end as a stopped run does."""

    def stopped(number, frame):
        with open(os.path.join(folder, "signalled"), "a", encoding="utf-8") as file:
            file.write(f"{number}\n")
        print("mtl train: stopped and saved at step 1", file=sys.stderr)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopped)
    print("step 1/77  100 examples/s  0:01 left  HERE", flush=True)
    time.sleep(60)


def fail(message, code):
    print("Traceback: something else", file=sys.stderr)
    print(f"mtl train: {message}", file=sys.stderr)
    return code


def row(flags, step, value):
    """Return an evaluation of the tasks a:2 and h:real."""
    objective = flags.get("objective", "log_sum")
    first, second = WEIGHTS.get(objective, (1.0, 1.0))
    return {
        "step": step,
        "score": value,
        "exact_match": None,
        "cost": 1.0,
        "tasks": {
            "a": {"examples": 9, "loss": 1 - value, "accuracy": value, "accuracy_95": [0.1, 0.9]},
            "h": {"examples": 9, "loss": 0.5, "rmse": 2 - value, "mae": 1.0, "r2": value},
        },
        "monitor": {
            "weights": {"a": first, "h": second},
            "steps_at_floor": FLOOR.get(objective, 0),
            "gradient_norms": {"a": 2.0, "h": 4.0},
            "cosines": {"a h": -0.5},
        },
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

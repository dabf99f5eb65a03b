"""Prediction: many images at once, and one image at a time, by mtl and its competitors."""

import numpy as np

from tests.benchmarks import sides, tables, turns

TITLE = "Prediction: mtl and its competitors"
BOTTOMS = ("light", "small", "base")
MANY = 10_000
TURN = 2_000  # of them in a turn
TIMES = 200  # predictions of one image in a turn


def run(arguments):
    """Time both and print their tables."""
    print(
        f"At least {MANY:,} images, {TURN:,} a turn in batches of 256, and one image {TIMES} "
        f"times a turn; float32, {arguments.rounds} rounds in turns."
    )
    print(
        "mtl predicts windows as `mtl evaluate` and `mtl predict` do, with one view. Keras uses "
        "`predict`, and\n`predict_on_batch` for one image. PyTorch uses inference mode.\n"
    )
    print(f"{sides.versions()}\n")
    for bottom in [arguments.bottom] if arguments.bottom else BOTTOMS:
        config = sides.default(bottom, "fp32")
        examples = sides.cropped(sides.CHECKED * config.batch_size)
        repeats = TURN // len(examples.inputs) + 1
        images = np.tile(examples.inputs, [repeats, 1, 1, 1])[:TURN]
        print(f"#### `{bottom}`\n")
        listed = sides.peers(arguments.quick, limit=arguments.isa)
        with sides.started(config, examples, listed) as players:
            rounds = max(arguments.rounds, MANY // TURN)
            print("Many images:\n")
            _print("many", bottom, turns.alternate(players, rounds, "read", images), TURN)
            print("One image:\n")
            one = turns.alternate(players, rounds, "one", images[:1], TIMES)
            _print("one", bottom, one, TIMES)


def _print(case, bottom, seconds, count):
    each = {}
    for name, values in seconds.items():
        each[name] = f"{1e3 * np.median(values) / count:.2f}"
    extra = ("ms an image", each)
    fastest, ratio = tables.rates(f"predict {case}", bottom, seconds, count, extra)
    print(f"The fastest competitor is {fastest}: mtl is {ratio:.2f} times as fast.\n", flush=True)

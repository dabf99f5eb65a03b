"""Reading: many pictures at once, and one picture when the network is warm, mtl against its peers from the same weights."""

import numpy as np

from tests.benchmarks import sides, tables, turns

MANY = 10_000
TURN = 2_000  # of them a turn
TIMES = 200  # one picture is read in a turn


def run(rounds=7, bottoms=("small", "base"), quick=False):
    """Time both and print their tables.

    Args:
      rounds: int.
      bottoms: tuple of str.
      quick: bool, whether to leave out the peers that compile.
    """
    print("### Reading pictures: mtl against its peers\n")
    print(
        f"{MANY} pictures or more, {TURN} a turn in batches of 256, and one picture {TIMES} times a turn, in float32;"
    )
    print(f"{rounds} rounds in turns.")
    print(
        "mtl: as `mtl evaluate` and `mtl predict` read windows, in one view. Keras: `predict`, and `predict_on_batch` for one picture."
    )
    print("PyTorch: inference mode.\n")
    for bottom in bottoms:
        config = sides.default(bottom, "fp32")
        examples = sides.images_of(sides.CHECKED * config.batch_size)
        images = np.tile(examples.images, [TURN // len(examples.images) + 1, 1, 1, 1])[:TURN]
        print(f"#### `{bottom}`\n")
        with sides.started(config, examples, sides.peers(quick)) as players:
            for case, given, count in (
                ("many", (images,), TURN),
                ("one", (images[:1], TIMES), TIMES),
            ):
                print("Many pictures:\n" if case == "many" else "One picture:\n")
                seconds = turns.alternate(
                    players, max(rounds, MANY // TURN), "read" if case == "many" else "one", *given
                )
                each = {
                    name: f"{1e3 * np.median(values) / count:.2f}"
                    for name, values in seconds.items()
                }
                fastest, ratio = tables.rates(
                    f"read {case}", bottom, seconds, count, ("ms an image", each)
                )
                print(
                    f"The fastest peer is {fastest}: mtl is {ratio:.2f} times as fast.\n",
                    flush=True,
                )

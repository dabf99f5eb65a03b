"""The training step of each network: mtl against what else its users would take, on the same images in memory."""

from tests.benchmarks import sides, tables, turns

STEPS = {"small": 30, "base": 20, "paper": 6}  # of a turn, about a second


def run(rounds=7, bottoms=("small", "base", "paper"), precisions=("fp32", "bf16"), quick=False):
    """Check, time and print each network in each precision.

    Args:
      rounds: int.
      bottoms: tuple of str.
      precisions: tuple of str.
      quick: bool, whether to leave out the peers that compile.
    """
    print("### Training step: mtl against its peers\n")
    print(
        f"Batches of 32, Adam, the answer's loss on soft labels, images in memory; {rounds} rounds in turns after one of warm-up."
    )
    print(
        "Every side gets 2 threads within an operation. PyTorch indexes its batches out of an array: no DataLoader slows it.\n"
    )
    print(f"{sides.versions()}.\n")
    for bottom in bottoms:
        for precision in precisions:
            config = sides.default(bottom, precision)
            examples = sides.images_of(STEPS[bottom] * config.batch_size)
            print(f"#### `{bottom}`, {precision}\n")
            with sides.started(config, examples, sides.peers(quick)) as players:
                seconds = turns.alternate(players, rounds, "epoch", examples)
                peaks = {player.name: f"{player.peak_memory()[0]:.0f}" for player in players}
            count = len(examples.numbers)
            fastest, ratio = tables.rates(
                "step", f"{bottom} {precision}", seconds, count, ("peak memory, MB", peaks)
            )
            print(f"The fastest peer is {fastest}: mtl is {ratio:.2f} times as fast.\n", flush=True)

"""The training step of each network: mtl and its competitors, on the same images in memory."""

from tests.benchmarks import isa, sides, tables, turns

TITLE = "Training step: mtl and its competitors"
STEPS = {"light": 50, "small": 30, "base": 20, "paper": 6}  # in a turn, about a second


def run(arguments):
    """Check, time and print each network in each precision."""
    print(
        f"Batches of 32, Adam, the answer's cost on soft labels, images in memory; "
        f"{arguments.rounds} rounds in turns after one of warm-up. Every side has 2 threads."
    )
    print(
        "PyTorch indexes its batches from an array, without a DataLoader. `paper` is compared "
        "without JAX and compiled\ncompetitors, which take long to start.\n"
    )
    if arguments.quick:
        print("Without JAX and compiled competitors (--quick).\n")
    print(f"{sides.versions()}\n")
    precisions = isa.PRECISIONS[arguments.isa]
    for bottom in [arguments.bottom] if arguments.bottom else STEPS:
        for precision in [arguments.precision] if arguments.precision else precisions:
            _compare(bottom, precision, arguments)


def _compare(bottom, precision, arguments):
    config = sides.default(bottom, precision)
    examples = sides.cropped(STEPS[bottom] * config.batch_size)
    print(f"#### `{bottom}`, {precision}\n")
    listed = sides.peers(arguments.quick or bottom == "paper", limit=arguments.isa)
    with sides.started(config, examples, listed) as players:
        seconds = turns.alternate(players, arguments.rounds, "epoch", examples)
        peaks = {player.name: f"{player.peak_memory()[0]:.0f}" for player in players}
    extra = ("peak memory, MB", peaks)
    fastest, ratio = tables.rates(
        "step", f"{bottom} {precision}", seconds, len(examples.numbers), extra
    )
    print(f"The fastest competitor is {fastest}: mtl is {ratio:.2f} times as fast.\n", flush=True)

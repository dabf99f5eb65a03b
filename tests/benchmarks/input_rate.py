"""What drawing the images costs: the training step fed by the synthetic stream, against the same step fed from memory."""

import os

from mtl import config as config_lib
from mtl.data import pipeline, synthetic
from tests.benchmarks import mtl_trainer, turns as turns_lib


def stream_work(connection, config, turns, steps):
    """Train on the stream a run of this config would train on; arguments as mtl_trainer.take_turns."""
    with mtl_trainer.training(config) as (_, _, step):
        # At rest the stream holds blocks drawn ahead. Untimed steps before each turn use them up, so that the steady state is timed.
        mtl_trainer.take_turns(connection, step, pipeline.batches(config), turns=turns, steps=steps, lead_in=steps)


def arrays_work(connection, config, turns, steps):
    """Train on as many images as the stream holds at a time, drawn before the clock starts; arguments as mtl_trainer.take_turns."""
    examples = synthetic.examples("train", config.pool, difficulty=config.difficulty, seed=config.seed, workers=config.workers)
    source = pipeline.from_arrays(examples, config.batch_size, config.seed)
    with mtl_trainer.training(config) as (_, _, step):
        mtl_trainer.take_turns(connection, step, source, turns=turns, steps=steps)


def run(rounds=5, steps=None, config=None):
    """Time both in turns, print the table and the memory each takes.

    Args:
      rounds: int.
      steps: int, of a round; None is two rounds of the pool: as many blocks as the stream draws ahead.
      config: config.Config, or None for the defaults.
    """
    config = config or config_lib.Config()
    steps = steps or 2 * config.pool // config.batch_size
    print("## Input: the synthetic stream against arrays in memory\n")
    print(f"`{config.bottom}`, {steps} steps of {config.batch_size} images a round, {rounds} rounds, in turns after one round of warm-up;")
    print(f"pool {config.pool}, each image used {config.reuse} times, drawn by {config.workers or os.cpu_count()} processes.\n")
    with (
        turns_lib.Player("stream", stream_work, config, rounds + 1, steps) as stream,
        turns_lib.Player("arrays", arrays_work, config, rounds + 1, steps) as arrays,
    ):
        turns_lib.table([stream, arrays], turns_lib.alternate([stream, arrays], rounds), steps * config.batch_size)
        for player in (stream, arrays):
            own, others = player.peak_memory()
            shown = " + ".join(f"{peak:.0f}" for peak in [own, *others])
            print(f"Peak resident memory of {player.name}, its processes included: {shown} = {own + sum(others):.0f} MB at most.")
    print()

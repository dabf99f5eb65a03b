"""What drawing or reading images costs: the training step fed by the synthetic stream or by records, against the step fed from memory."""

import functools
import os

from mtl import config as config_lib
from mtl.data import augment, datasets, pipeline, synthetic
from tests.benchmarks import mtl_trainer, turns as turns_lib


def stream_work(connection, config, turns, steps):
    """Train on what a run of this config would train on; arguments as mtl_trainer.take_turns."""
    with mtl_trainer.training(config) as (_, _, step):
        # At rest the stream holds images made ahead. Untimed steps before each turn use them up, so that the steady state is timed.
        mtl_trainer.take_turns(connection, step, pipeline.batches(config), turns=turns, steps=steps, lead_in=steps)


def arrays_work(connection, config, turns, steps):
    """Train on as many images as the stream holds at a time, or the records hold, made before the clock starts; arguments as above."""
    if config.dataset == "synthetic":
        examples = synthetic.examples("train", config.pool, difficulty=config.difficulty, seed=config.seed, workers=config.workers)
    else:
        examples = datasets.load(config.dataset, config.data_dir, "train")
    crops = functools.partial(augment.changed_crops, strength=config.augment) if config.augment else pipeline.random_crops
    source = pipeline.from_arrays(examples, config.batch_size, config.seed, crops)
    with mtl_trainer.training(config) as (_, _, step):
        mtl_trainer.take_turns(connection, step, source, turns=turns, steps=steps)


def run(rounds=5, steps=None, config=None):
    """Time both in turns, print the table and the memory each takes.

    Args:
      rounds: int.
      steps: int, of a round; None is two rounds of the pool: as many blocks as the stream draws ahead.
      config: config.Config of the data set synthetic or records, or None for the defaults.
    """
    config = config or config_lib.Config()
    steps = steps or 2 * config.pool // config.batch_size
    name = "stream" if config.dataset == "synthetic" else config.dataset
    print(f"## Input: {'the synthetic stream' if name == 'stream' else name} against arrays in memory\n")
    print(f"`{config.bottom}` in {config.precision}, {steps} steps of {config.batch_size} images a round, {rounds} rounds,")
    cores = config.workers or os.cpu_count()
    made = f"pool {config.pool}, each image used {config.reuse} times, drawn by {cores} processes"
    read = f"--augment={config.augment}, decoded by {cores} threads"
    print(f"in turns after one round of warm-up; {made if name == 'stream' else read}.\n")
    with (
        turns_lib.Player(name, stream_work, config, rounds + 1, steps) as stream,
        turns_lib.Player("arrays", arrays_work, config, rounds + 1, steps) as arrays,
    ):
        turns_lib.table([stream, arrays], turns_lib.alternate([stream, arrays], rounds), steps * config.batch_size)
        for player in (stream, arrays):
            own, others = player.peak_memory()
            shown = " + ".join(f"{peak:.0f}" for peak in [own, *others])
            print(f"Peak resident memory of {player.name}, its processes included: {shown} = {own + sum(others):.0f} MB at most.")
    print()

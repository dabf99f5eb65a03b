"""The cost of reading records: training from records, compared with arrays in memory."""

from mtl.config import Config
from mtl.data.records import manifest
from mtl.errors import MtlError
from tests.benchmarks import input as input_lib

TITLE = "Input: records and arrays in memory"
BOTTOMS = ("small", "base")


def run(arguments):
    """Compare the records of --data_dir with arrays."""
    try:
        manifest.find_shards(arguments.data_dir, "train")
    except MtlError as error:
        raise SystemExit(f"benchmarks: {error}") from None
    for bottom in [arguments.bottom] if arguments.bottom else BOTTOMS:
        config = Config(
            dataset="records",
            data_dir=arguments.data_dir,
            bottom=bottom,
            precision=arguments.precision or Config.precision,
            batch_size=arguments.batch_size,
            pool=4096,  # it only sets the length of a turn
            warmup_steps=0,
            augment=arguments.augment,
            workers=arguments.workers,
        )
        input_lib.measure(config, arguments.rounds)

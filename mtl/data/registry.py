"""The datasets by name.

A dataset is a module under data/ with a line `DATASET = "name"` and these functions:

    load(data_dir, split, *, count=None) -> Examples
    source(config) -> source   optional: a dataset that streams its own training batches

A source is a function first_step -> iterator of (images, labels), see mtl/data/batches.py.
"""

import importlib

from mtl import config as config_lib
from mtl.data import batches
from mtl.data.examples import Examples
from mtl.errors import DataError

MODULES = config_lib.declared("data/**/*.py", r'^DATASET = "(\w+)"$')


def module(dataset: str):
    """Return the module of a dataset; raise DataError if there is no dataset of this name."""
    if dataset not in MODULES:
        raise DataError(f"unknown dataset {dataset!r}; choose one of {', '.join(sorted(MODULES))}")
    path = MODULES[dataset].relative_to(config_lib.PACKAGE.parent).with_suffix("")
    return importlib.import_module(".".join(path.parts))


def load(
    dataset: str,
    data_dir: str,
    split: str,
    *,
    count: int | None = None,
    style: str = config_lib.Config.style,
    difficulty: float = config_lib.Config.difficulty,
    workers: int = 0,
) -> Examples:
    """Load a split of a dataset, or draw it.

    Args:
      dataset: one of config.DATASETS.
      data_dir: folder of the dataset; synthetic has none.
      split: one of config.SPLITS, or another that the dataset has, such as SVHN's extra.
      count: the largest number of examples; None loads all. Required for synthetic, which is
        endless.
      style: of synthetic images, one of config.choices("style").
      difficulty: of synthetic images, in 0..1.
      workers: processes that draw synthetic images; 0 is one for each core.

    Returns:
      Examples, at least one.

    Raises:
      DataError: there is no such dataset or split, or a file is missing or broken.
      ValueError: the count of synthetic is None.
    """
    found = module(dataset)
    if dataset == "synthetic":
        return found.load(
            data_dir, split, count=count, style=style, difficulty=difficulty, workers=workers
        )
    if not data_dir:
        raise DataError(f"the dataset {dataset} is on disk; name its folder with --data_dir")
    return found.load(data_dir, split, count=count)


def source(config):
    """Return the training source of a run.

    Args:
      config: config.Config.

    Raises:
      DataError: the data cannot be read.
    """
    from mtl.data import augment  # not above: it imports Pillow, which checks of flags do not need

    found = module(config.dataset)
    if hasattr(found, "source"):
        return found.source(config)
    examples = load(config.dataset, config.data_dir, "train")
    crops = augment.crops(config.augment)
    return batches.from_arrays(examples, config.batch_size, config.seed, crops)

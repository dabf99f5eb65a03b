"""The data sets by name. Their readers are imported when they are first asked for: checking flags needs none of them."""

import importlib

from mtl.config import DATASETS, SPLITS, Config
from mtl.data.examples import Examples
from mtl.errors import DataError


def load(
    dataset: str,
    data_dir: str,
    split: str,
    *,
    count: int | None = None,
    style: str = Config.style,
    difficulty: float = Config.difficulty,
    workers: int = 0,
) -> Examples:
    """Read, or draw, a split of a data set.

    Args:
      dataset: str, one of config.DATASETS.
      data_dir: str, the directory of the data set; synthetic has none.
      split: str, one of config.SPLITS, or another directory that the data set has, such as SVHN's extra.
      count: int, the first `count` examples at most; None is all that there are. Synthetic has no end and needs one.
      style: str, one of config.CHOICES["style"], of the synthetic images.
      difficulty: float in 0..1, of the synthetic images.
      workers: int, processes that draw synthetic images; 0 is one for each core.

    Returns:
      Examples, at least one.

    Raises:
      DataError: there is no such data set or split, or a file is missing or broken.
      ValueError: synthetic without a count.
    """
    if dataset not in DATASETS:
        raise DataError(f"no data set {dataset!r}: choose one of {', '.join(DATASETS)}")
    if dataset == "synthetic":
        if split not in SPLITS:
            raise DataError(
                f"the synthetic data set has no split {split!r}: choose one of {', '.join(SPLITS)}"
            )
        if count is None:
            raise ValueError(
                "the synthetic data set has no end: say how many examples to draw (count)"
            )
        from mtl.data.drawn import synthetic

        return synthetic.examples(split, count, style=style, difficulty=difficulty, workers=workers)
    if not data_dir:
        raise DataError(f"the data set {dataset} lies on disk: give its directory as --data_dir")
    module = {"svhn": "svhn.reader", "records": "records.format"}.get(dataset, dataset)
    return importlib.import_module(f"mtl.data.{module}").load(data_dir, split, count=count)

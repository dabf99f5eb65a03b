"""The datasets by name.

A dataset is a module under data/ with a line `DATASET = "name"` and these functions:

    load(data_dir, split, *, count=None) -> Examples
    opened(config, part) -> Opened   optional: a dataset that streams its own training batches; it
                                     raises ValueError if a flag does not fit

If the next line is `OWN_TASKS = True`, it also has other tasks than numbers, and `load` has the
arguments tasks, inputs, window and unlabelled of the function below.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl import combinations, config as config_lib, inputs as inputs_lib, tasks as tasks_lib
from mtl.data import batches, labels as labels_lib
from mtl.data.examples import Examples, Opened
from mtl.errors import DataError, UsageError
from mtl.fields import PACKAGE
from mtl.inputs import Inputs
from mtl.tasks import NUMBER_TASKS, Task


def module(dataset: str):
    """Return the module of a dataset; raise DataError if there is no dataset of this name."""
    if dataset not in config_lib.DATASETS:
        known = ", ".join(config_lib.DATASETS)
        raise DataError(f"unknown dataset {dataset!r}; choose one of {known}")
    path = config_lib.DATASET_FILES[dataset].relative_to(PACKAGE.parent).with_suffix("")
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
    tasks: Sequence[Task] = NUMBER_TASKS,
    inputs: Inputs | None = None,
    window: int = 0,
    unlabelled: bool = False,
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
      tasks: which labels to load.
      inputs: of a run. The examples are converted to them: images to their size, channels and type;
        the columns of a table to their order. None leaves the choice to the dataset.
      window: height and width of images if `inputs` is None; 0 is the dataset's own size, 64 for
        image files.
      unlabelled: whether the labels of a task may be missing altogether, as for predictions.

    Returns:
      Examples, at least one.

    Raises:
      DataError: there is no such dataset or split, or a file is missing or broken.
      ValueError: the count of synthetic is None.
    """
    found = module(dataset)
    options = {"count": count}
    if dataset == "synthetic":
        options.update(style=style, difficulty=difficulty, workers=workers)
    elif not data_dir:
        raise DataError(f"the dataset {dataset} is on disk; name its folder with --data_dir")
    if dataset in combinations.OWN_TASKS:
        options.update(tasks=tasks, inputs=inputs, window=window, unlabelled=unlabelled)
        return found.load(data_dir, split, **options)
    _check_numbers_only(dataset, tasks)
    examples = found.load(data_dir, split, **options)
    from mtl.data import adapt  # not above: it imports Pillow, which checks of flags do not need

    images = adapt.delivered(data_dir or dataset, examples.inputs, inputs, window)
    return examples._replace(inputs=images)


def _check_numbers_only(dataset, tasks):
    """Raise DataError if a dataset that has only numbers is asked for other tasks."""
    if not tasks_lib.is_numbers(tasks):
        what = f"has only numbers, not the tasks {tasks_lib.text(tasks)}"
        cure = f"use {', '.join(combinations.OWN_TASKS)}"
        raise DataError(f"the dataset {dataset} {what}; {cure}")


# -- training --------------------------------------------------------------------------------------


def opened(
    config: config_lib.Config, run: Any = None, part: batches.Part | None = None
) -> Opened:
    """Open the training data of a run.

    Args:
      config: config.Config.
      run: of a run that continues: an object with its `tasks` and `inputs`, such as run_files.Run.
        They are used again, so that the scales stay the same bit by bit. None for a new run.
      part: of the batches, for one of several workers; None is the whole of them.

    Returns:
      Opened: the source, and the tasks and inputs with the scales of train.

    Raises:
      DataError: the data cannot be read, a task has no labels in train, or the data differs from
        that of the run.
      UsageError: a flag does not fit the data.
    """
    found, part = module(config.dataset), part or batches.whole(config.batch_size)
    try:
        if hasattr(found, "opened"):
            made = found.opened(config, part)
        else:
            made = _in_memory(config, run, part)
        if run is not None:
            made = _continued(config, made, run)
        inputs_lib.check(made.inputs)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return made


def _in_memory(config, run, part):
    """Return the Opened of a dataset that is loaded into memory.

    Raises:
      ValueError: a flag does not fit the data.
    """
    from mtl.data import augment  # not above: it imports Pillow, which checks of flags do not need

    tasks = tasks_lib.parse(config.tasks)
    # The columns of a table may have another order than before.
    known = run.inputs if run is not None and run.inputs.names else None
    examples = load(
        config.dataset, config.data_dir, "train", tasks=tasks, inputs=known, window=config.window
    )
    inputs = known or inputs_of(examples, config.crop_size)
    if run is None:
        tasks = labels_lib.fitted(config.data_dir, examples.labels, tasks)
    crops = augment.crops(config.augment, inputs)
    source = batches.from_arrays(examples, part.size, config.seed, crops, part)
    return Opened(source, tasks, inputs)


def _continued(config, made, run):
    """Return the Opened of a run that continues; raise DataError if the data differs."""
    if (made.inputs.shape, made.inputs.dtype) != (run.inputs.shape, run.inputs.dtype):
        what = f"train has {made.inputs.text}, but the run began with {run.inputs.text}"
        cure = "restore the data of the run, or choose another --model_dir"
        raise DataError(f"{config.data_dir or config.dataset}: {what}; {cure}")
    return made._replace(tasks=tuple(run.tasks), inputs=run.inputs)


def inputs_of(examples: Examples, crop: int = 0) -> Inputs:
    """Return the Inputs of the examples of train, with the scales of their features.

    Args:
      examples: Examples.
      crop: height and width of the crop in pixels; 0 is no crop.
    """
    values = examples.inputs
    found = Inputs(values.shape[1:], crop, values.dtype.name)
    if found.is_images:
        return found
    # float64, because a column may sum to more than the largest float32.
    mean = values.mean(axis=0, dtype=np.float64)
    std = values.std(axis=0, dtype=np.float64)
    # Rounding may leave a constant column a tiny standard deviation.
    std[(values == values[:1]).all(axis=0) | (std == 0)] = 1.0
    return found._replace(
        names=tuple(examples.columns), mean=tuple(mean.tolist()), std=tuple(std.tolist())
    )

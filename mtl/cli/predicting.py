"""The parts that `mtl predict` connects: the network, and its answers for images or a dataset."""

import functools
import os
import sys

from mtl import run_files, tasks as tasks_lib
from mtl.cli import answers, console, flags, inputs
from mtl.errors import DataError, UsageError, shown
from mtl.inference import predictions
from mtl.inference.network import Network
from mtl.runs import find

# A batch ends after BATCH examples or BYTES of files. Large photographs take long to decode, and
# each result should appear soon.
BATCH = 64
BYTES = 4 << 20


def images(values, found, output):
    """Predict images, batch by batch, and show each batch as soon as it is ready.

    Args:
      values: FlagValues of `mtl predict`.
      found: list of Input.
      output: answers.Output.

    Raises:
      DataError: the network cannot be opened.
      UsageError: a flag does not fit the network, or it takes no images.
    """
    with opened(values) as network:
        _check(values, network)
        if not network.inputs.is_images:
            where = f"{shown(values.model_dir)}: the network takes {network.inputs.text}"
            cure = "use --dataset=table or npz with --data_dir and --split"
            raise UsageError(f"{where}, not image files; {cure}")
        numbers = tasks_lib.is_numbers(network.tasks)
        read = functools.partial(
            inputs.window, say=output.say, taken=network.inputs, margin=numbers
        )
        output.begin(network.tasks)
        _show(_read(found, read), len(found), _predict(values, network), output)


def dataset(values, output, check_sheet):
    """Predict a split of a dataset.

    Args:
      values: FlagValues of `mtl predict`.
      output: answers.Output.
      check_sheet: function (list of Input, folder of the dataset) -> None that raises DataError or
        UsageError if the sheet cannot be written.

    Raises:
      DataError: the network or the dataset cannot be read.
      UsageError: a flag does not fit the network or the dataset.
    """
    with opened(values) as network:
        _check(values, network)
        run = network.config
        data_dir = values.data_dir or (run.data_dir if values.dataset == run.dataset else "")
        flags.check_data(values.dataset, data_dir)
        examples = console.load(
            values.dataset,
            data_dir,
            values.split,
            tasks=network.tasks,
            inputs=network.inputs,
            unlabelled=True,
        )
        key, found = _named(examples.names)
        check_sheet(found, data_dir)
        output.begin(network.tasks, key)
        batches = _slices(found, examples.inputs)
        _show(batches, len(found), _predict(values, network, key), output)


def opened(values):
    """Return the Network that the flags name; raise DataError if it does not exist."""
    run = run_files.read(find.directory(values.model_dir))
    answers.check_columns(values, run.tasks)  # before the network is built
    flags.find_own_code(run.config)
    return Network.open(values.model_dir, values.checkpoint, values.precision)


def _check(values, network):
    """Raise UsageError if a flag does not fit the network."""
    flags.check_numbers_only(values, network.config)
    if values.sheet is not None and not network.inputs.is_images:
        what = f"--sheet shows images, but the network takes {network.inputs.text}"
        raise UsageError(f"{what}; remove the flag")


def _predict(values, network, key="file"):
    """Return the function (names, inputs) -> predictions."""
    return functools.partial(
        predictions.predictions,
        network,
        key=key,
        views=flags.value_or_run(values, "views", network.config),
        temperature=values.temperature or network.temperature,
    )


# -- batches ---------------------------------------------------------------------------------------


def _read(found, read):
    """Read images; yield lists of Answer without predictions.

    The sizes of the lists depend only on the files. If they depended on time, the last digits of
    the probabilities would differ from one call to the next.

    Args:
      found: list of Input.
      read: function Input -> window, which may raise DataError.
    """
    batch, size = [], 0
    for given in found:
        batch.append(given)
        size += _size(given.path)
        if len(batch) == BATCH or size >= BYTES:
            yield [_window(each, read) for each in batch]
            batch, size = [], 0
    if batch:
        yield [_window(each, read) for each in batch]


def _window(given, read):
    """Return the Answer of an image with its window or its error."""
    try:
        return answers.Answer(given, read(given))
    except DataError as error:
        return answers.Answer(given, error=error)


def _size(path):
    """Return the size of a file in bytes; 0 if it is missing, or standard input."""
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def _named(names):
    """Return what the examples of a dataset are called: "file" or "index", and their Inputs.

    Readers number examples without a name by their position in the file.
    """
    if all(name.isascii() and name.isdigit() for name in names):
        return "index", [inputs.Input(name, int(name)) for name in names]
    return "file", [inputs.Input(shown(name), name) for name in names]


def _slices(found, arrays):
    """Yield lists of Answer of the examples of a dataset, without predictions."""
    for start in range(0, len(found), BATCH):
        pairs = zip(found[start : start + BATCH], arrays[start : start + BATCH])
        yield [answers.Answer(given, window) for given, window in pairs]


def _show(batches, count, predict, output):
    """Predict and show batches of Answer, as soon as each is ready; count: int, answers in all."""
    # On a terminal, the printed results show the progress.
    with console.bar(count, not sys.stdout.isatty()) as bar:
        output.bar = bar
        for batch in batches:
            for answer in _predicted(predict, batch):
                output.show(answer)
            sys.stdout.flush()
            bar.update(len(batch))


def _predicted(predict, batch):
    """Return the Answers of a batch with their predictions, in the same order."""
    read = [i for i, answer in enumerate(batch) if not answer.error]
    names = [batch[i].given.path for i in read]
    results = predict(names, [batch[i].window for i in read])
    answered = list(batch)
    for i, result in zip(read, results):
        answered[i] = answered[i]._replace(prediction=result)
    return answered

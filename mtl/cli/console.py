"""Progress on stderr, and a quiet start of TensorFlow."""

import contextlib
import os
import sys

from mtl.cli import stderr
from mtl.errors import UsageError


def printable(text):
    """Return a text (str) with the bytes of file names that are not UTF-8 written as \\udce9."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def say(line):
    """Write one line of progress to stderr: stdout is for results. A full disk or a lost terminal there costs the line, not the work."""
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise  # who reads on has gone, and the command goes too, as every part of a pipeline does
    except OSError:
        pass


def load(dataset, data_dir, split, **options):
    """Load Examples as data.datasets.load does, which may take minutes: somebody who looks on is told of what."""
    from mtl.data import registry

    if sys.stderr.isatty():
        say(f"reading {dataset}, {split} ...")
    return registry.load(dataset, data_dir, split, **options)


def bar(total, shown=True, unit="image"):
    """Return a tqdm bar over `total` images or other units, silent where stderr is no terminal or the work is done within two seconds."""
    try:
        from tqdm import tqdm
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"an environment variable TQDM_* has a bad value ({error}); unset it"
        ) from None

    hidden = not (shown and sys.stderr.isatty())
    return tqdm(
        total=total, unit=unit, unit_scale=unit == "B", delay=2.0, leave=False, disable=hidden
    )


def read(network, examples, views=1, after_each=lambda: None):
    """Put Examples through a network (anything with log_probs) behind a bar; returns evaluate.read's dict, of `views` averaged.

    `after_each`, a function () -> None, is called after each batch; what it raises ends the reading.
    """
    from mtl.inference import reading

    with bar(len(examples.numbers)) as shown:

        def progress(done, total):
            shown.update(done - shown.n)
            after_each()

        return reading.read(network.log_probs, examples.images, count=views, progress=progress)


def set_backends():
    """Set the backends of pyplot and Keras, which TensorFlow imports, for this process.

    A notebook or another project may have set others in the environment, which may be missing here.
    """
    os.environ.update(MPLBACKEND="Agg", KERAS_BACKEND="tensorflow")


def start_tensorflow(verbosity):
    """Import TensorFlow, and keep what it writes to stderr as it starts away from the user, unless verbosity is 1 or more.

    Some of its C++ messages come before its logging is set up and heed no setting: they are caught at the file descriptor. Asking
    for the devices makes the rest of them come now; a session would do so too, and would fix the number of threads for good.
    """
    if verbosity < 1:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with contextlib.nullcontext() if verbosity >= 1 else stderr.silent():
        import tensorflow.compat.v1 as tf

        tf.config.experimental.list_physical_devices()
    if verbosity < 1:
        tf.logging.set_verbosity(tf.logging.ERROR)

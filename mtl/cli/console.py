"""Progress on stderr, and a quiet start of TensorFlow."""

import contextlib
import os
import shutil
import signal
import sys

from mtl import machine
from mtl.cli import stderr
from mtl.errors import MtlError, UsageError

# Whether the process ends without Python's cleanup. A thread that is still in TensorFlow, such as
# one that closes the session of a lost server, would abort the process during the cleanup.
ending_at_once = False


def printable(text):
    r"""Return a text that can be printed: bytes of file names that are not UTF-8 become \udce9."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def say(line):
    """Write a line of progress to stderr. A failed write, such as to a full disk, is ignored.

    Raises:
      BrokenPipeError: the reader closed the pipe. It ends the command.
    """
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        pass


def notice(line):
    """Announce work of some seconds: write a line to stderr, only if it is a terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        say(line)


class StatusLine:
    """The last line of a terminal, which is written again and again."""

    def __init__(self):
        self._shown = False

    def show(self, text):
        """Replace the line."""
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r\x1b[K{printable(text)[:width]}")
        self._shown = True

    def say(self, text):
        """Write a line that stays."""
        self.clear()
        say(text)

    def clear(self):
        """Remove the line."""
        if self._shown:
            self._write("\r\x1b[K")
        self._shown = False

    def _write(self, text):
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except BrokenPipeError:
            raise
        except OSError:
            pass


def load(dataset, data_dir, split, **options):
    """Load Examples, with a notice; see registry.load."""
    from mtl.data import registry

    drawn = dataset == "synthetic"
    notice(f"drawing images of {split} ..." if drawn else f"reading {dataset}, {split} ...")
    return registry.load(dataset, data_dir, split, **options)


def validation(config, count, tasks, inputs):
    """Load the validation Examples of a run.

    Args:
      config: config.Config.
      count: int, the most to load, or None for all.
      tasks, inputs: of the run, see data.registry.Opened.
    """
    return load(
        config.dataset,
        config.data_dir,
        "validation",
        count=count,
        workers=config.workers,
        style=config.style,
        difficulty=config.difficulty,
        tasks=tasks,
        inputs=inputs,
    )


def opened(config, run=None, part=None):
    """Open the training data of a run, with a notice if it reads files; see registry.opened."""
    from mtl.data import registry

    if not hasattr(registry.module(config.dataset), "opened"):
        notice(f"reading {config.dataset}, train ...")
    return registry.opened(config, run, part)


def bar(total, shown=True, unit="image", delay=2.0):
    """Return a tqdm progress bar, which appears on a terminal after some seconds.

    Args:
      total: int, units of work.
      shown: bool; False hides the bar.
      unit: str; "B" counts bytes.
      delay: float, seconds until the bar appears, so that short work shows none.
    """
    try:
        from tqdm import tqdm
    except (TypeError, ValueError) as error:
        what = f"an environment variable TQDM_* has a bad value ({error})"
        raise UsageError(f"{what}; unset it") from None

    return tqdm(
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        delay=delay,
        leave=False,
        disable=not (shown and sys.stderr.isatty()),
    )


def read(network, examples, views=1, after_each=None):
    """Run a network over Examples, with a progress bar.

    Args:
      network: see reading.Reads, such as inference.network.Network.
      examples: Examples.
      views: int, views of each image to average.
      after_each: function () -> None, called after each batch, or None. Its errors propagate.

    Returns:
      dict task name -> float32 [n, task.outputs], see mtl/kinds.
    """
    from mtl.inference import reading

    unit = "image" if network.inputs.is_images else "example"
    with bar(len(examples.inputs), unit=unit) as shown:
        progress = _Progress(shown, after_each)
        return reading.read(network, examples.inputs, count=views, progress=progress)


class _Progress:
    """Updates a bar after each batch, then calls a function."""

    def __init__(self, shown, after_each):
        self._bar = shown
        self._after_each = after_each

    def __call__(self, done, total):
        self._bar.update(done - self._bar.n)
        if self._after_each:
            self._after_each()


def set_backends():
    """Set the backends of pyplot and Keras for this process; TensorFlow imports Keras.

    The environment may name others, such as those of a notebook, that are not installed here.
    """
    os.environ.update(MPLBACKEND="Agg", KERAS_BACKEND="tensorflow")


def start_tensorflow(verbosity=0, gpu_memory_growth=True):
    """Import TensorFlow, and hide its messages on stderr unless verbosity is at least 1.

    Every command calls it. A script calls it before its first import that needs TensorFlow:

        from mtl.cli import console
        console.start_tensorflow()

    A later call is allowed: it hides the messages from then on. See machine.configure for the
    settings of TensorFlow and for gpu_memory_growth.

    Some C++ messages ignore every log setting, so the file descriptor itself is redirected. The
    list of devices triggers the remaining messages now. A session would too, but it would also fix
    the number of threads for the whole process.
    """
    hidden = verbosity < 1
    if "tensorflow" not in sys.modules:
        notice("starting TensorFlow ...")
    machine.configure(gpu_memory_growth=gpu_memory_growth)
    if hidden:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with stderr.silent() if hidden else contextlib.nullcontext():
        import tensorflow.compat.v1 as tf

        tf.config.experimental.list_physical_devices()
    if hidden:
        tf.logging.set_verbosity(tf.logging.ERROR)


def run_module(name, main):
    """Run the main function of a module, `python -m NAME`, and exit if it fails.

    Args:
      name: str, of the module, for errors.
      main: function (list of str, the arguments) -> None; it may raise MtlError.
    """
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except MtlError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        # Python flushes stdout again at exit; a closed pipe would then print a second error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)

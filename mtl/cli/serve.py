"""`mtl serve`: answer requests for predictions over HTTP."""

import contextlib
import importlib.util
import os
import re

from absl import flags as absl_flags

from mtl.cli import console, flags, paths, signals
from mtl.errors import UsageError
from mtl.serving.limits import Limits

USAGE = "mtl serve --model_dir=DIR [--port=8501] [--host=127.0.0.1]"
SUMMARY = "answer requests for predictions over HTTP, and show a page for images"
NEEDED = ("aiohttp", "orjson", "prometheus_client")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DEFAULTS = Limits()
SECONDS = {"batch_timeout_ms": (0.0, 1000.0), "request_timeout_s": (0.1, 3600.0)}
OF_RUN = ("checkpoint", "views", "temperature", "precision")  # flags that an export has decided


def define(values):
    """Define the flags: the network, the address, and the limits."""
    text = (
        "what to serve: a run directory, pretrained, or a folder that mtl export wrote; a newer "
        "version in it replaces the one that is served"
    )
    flags.define_model_dir(values, text)
    paths.define(values, "checkpoint", "best", "of a run: best, last, or the path of a checkpoint")
    flags.define_field(values, "views", follows_run=True)
    flags.define_temperature(values)
    flags.define_execution(values)
    text = "name of the model in paths such as /v1/models/NAME:predict"
    absl_flags.DEFINE_string("name", "mtl", text, flag_values=values)
    text = (
        "address to listen on; 0.0.0.0 listens on all networks of this machine; the server has no "
        "passwords, so put a proxy with authentication in front of it"
    )
    absl_flags.DEFINE_string("host", "127.0.0.1", text, flag_values=values)
    bounds = {"lower_bound": 0, "upper_bound": 65535, "flag_values": values}
    absl_flags.DEFINE_integer("port", 8501, "port to listen on; 0 is any free one", **bounds)
    _define_limits(values)


def _define_limits(values):
    """Define the flags of batches and limits."""
    text = "milliseconds that an image waits for others, so that they are predicted together"
    absl_flags.DEFINE_float("batch_timeout_ms", 2.0, text, flag_values=values)
    text = "seconds for a request to arrive, and again for its answer to be computed"
    absl_flags.DEFINE_float("request_timeout_s", DEFAULTS.seconds, text, flag_values=values)
    texts = {
        "max_body_mb": (DEFAULTS.body_mb, 1024, "megabytes of a request"),
        "max_images": (DEFAULTS.examples, 65536, "images, or examples, of a request"),
        "max_megapixels": (DEFAULTS.megapixels, 64, "millions of pixels of a request's images"),
        "max_queue": (
            DEFAULTS.queue,
            1 << 20,
            "images that may wait; further requests get the status 503",
        ),
        "max_connections": (DEFAULTS.connections, 1 << 16, "open connections"),
    }
    for name, (default, most, text) in texts.items():
        bounds = {"lower_bound": 1, "upper_bound": most, "flag_values": values}
        absl_flags.DEFINE_integer(name, default, text, **bounds)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_no_arguments(arguments)
    flags.check_model_dir(values, "use --model_dir=pretrained for the packaged network")
    flags.check_temperature(values)
    if not NAME.fullmatch(values.name):
        cure = "use letters, digits, dots, _ and -"
        raise UsageError(f"--name={values.name[:100]} is not a valid name; {cure}")
    if not values.host:
        raise UsageError("--host names no address; use 127.0.0.1")
    for name, (least, most) in SECONDS.items():
        value = values[name].value
        if not least <= value <= most:  # absl's own bounds let NaN pass
            raise UsageError(f"--{name}={value} must be from {least:g} to {most:g}")


def main(values, arguments):
    """Serve until a signal; return the exit code."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        what = f"mtl serve needs {', '.join(missing)}"
        raise UsageError(f"{what}; install them with: pip install 'mtl[serve]'")
    if values.verbosity < 1:
        # TensorFlow logs an error if oneDNN lacks a kernel, although it then uses its own.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with signals.Caught() as caught:
        console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
        from mtl.serving import server

        settings = _settings(values, server)
        opened = server.listen(settings.host, settings.port)  # before the work
        with opened:
            source = _source(values)
            caught.arm()
            server.run(source, opened, settings, stopped=caught, say=_say)
    return 0


def _say(line):
    """Write a line to stderr. A closed pipe does not stop the server."""
    with contextlib.suppress(BrokenPipeError):
        console.say(line)


def _settings(values, server):
    """Return the server.Settings of the flags."""
    limits = Limits(
        body_mb=values.max_body_mb,
        examples=values.max_images,
        megapixels=values.max_megapixels,
        seconds=values.request_timeout_s,
        queue=values.max_queue,
        connections=values.max_connections,
    )
    timeout = values.batch_timeout_ms / 1000
    return server.Settings(values.name, values.host, values.port, timeout, limits)


def _source(values):
    """Return the models.Source of the flags; raise MtlError if they do not fit what it serves."""
    from mtl import run_files
    from mtl.runs import find
    from mtl.serving import models, saved

    if saved.versions(values.model_dir):
        for name in OF_RUN:
            if values[name].present:
                what = f"--{name}={values[name].value} applies to a run, not to an exported model"
                raise UsageError(f"{what}; remove the flag, and give it to mtl export")
    else:
        run = run_files.read_config(find.directory(values.model_dir))
        flags.find_own_code(run)
        flags.check_numbers_only(values, run)
    settings = models.Settings(values.views, values.temperature, values.precision)
    return models.source(values.model_dir, values.checkpoint, settings)

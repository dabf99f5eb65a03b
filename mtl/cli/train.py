"""`mtl train`: flags -> Config -> data -> the session loop."""

import json
import os
import platform
import sys

from mtl import __version__, config
from mtl.cli import common, signals
from mtl.errors import DataError, NoExamplesError, UsageError

USAGE = "mtl train --model_dir=DIR [--flagfile=FILE] [--flag=value ...]"
SUMMARY = "train a network into a run directory, or continue a run"
SYNTHETIC_VALIDATION = 1000  # images drawn to validate on; of a set on disk all are taken


def define(values):
    """Define the flags of a run: --model_dir and one for each field of Config."""
    common.define_model_dir(values, "the run directory: weights, flags and metrics; an unfinished run in it is continued")
    field, positive = common.define_field, {"lower_bound": 1}
    field(values, "bottom", "the shared bottom", choices=config.BOTTOMS)
    field(values, "objective", "the cost of the six tasks: log_sum is the answer's, linear the plain sum", choices=config.OBJECTIVES)
    text = "a digit that is not there: x is the answer's class X; mask the paper's way, left out of the cost"
    field(values, "absent", text, choices=config.ABSENT)
    share = (lambda value: 0.0 <= value < 1.0, "must lie in 0 to 1, 1 excluded")
    common.define_range(values, "label_smoothing", "share of each label spread over all classes", *share)
    common.define_range(values, "dropout", "share of a hidden layer set to 0 in training: of the last, in paper of each", *share)
    field(values, "dataset", "what to train on", choices=config.DATASETS)
    field(values, "data_dir", "where the data set lies; synthetic needs none")
    text = "how much the images of a data set on disk are changed each time they are shown, 0 (cropped alone) to 1"
    common.define_range(values, "augment", text, *common.UP_TO_ONE)
    common.define_drawing(values)
    field(values, "pool", "drawn images held in memory at a time, a multiple of --reuse", **positive)
    field(values, "reuse", "fresh crops taken of each drawn image before another takes its place", **positive)
    field(values, "batch_size", "images a training step", **positive)
    text = "what the shared bottom computes in as it trains: bf16 is faster with Intel's AMX or AMD's AVX512-BF16, elsewhere slower"
    field(values, "precision", text, choices=config.PRECISIONS)
    rate = (lambda value: 0.0 < value < float("inf"), "must be positive and finite")
    common.define_range(values, "learning_rate", "of Adam, at the first step", *rate)
    field(values, "schedule", "how the learning rate falls, linear and cosine to 0 at the last step", choices=config.SCHEDULES)
    field(values, "steps", "training steps in all; more of them continue a finished run, the schedule stretched to the new end", **positive)
    field(values, "seed", "decides all random numbers", lower_bound=0, upper_bound=2**31 - 1)
    field(values, "init_from", "a run directory whose weights a new run starts from, or pretrained: those that come with the package")
    field(values, "log_every", "steps between progress lines", **positive)
    field(values, "save_every", "steps between evaluations on validation, each followed by a checkpoint", **positive)
    field(values, "workers", "processes that draw images; 0 is one for each core", lower_bound=0)
    common.define_views(values, config.Config.views, "how many views of a picture evaluate and predict average, once the run is trained")
    field(values, "threads", "threads of TensorFlow; 0 is one for each core", lower_bound=0)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    common.check_no_arguments(arguments)
    common.check_model_dir(values, "say where the run shall live: --model_dir=runs/mine")
    if values.model_dir == "pretrained":
        raise UsageError("--model_dir=pretrained names the weights that come with the package; choose another, or write ./pretrained")
    common.check_data(values.dataset, values.data_dir)
    if values.augment and values.dataset == "synthetic":
        raise UsageError(f"--augment={values.augment} means nothing to --dataset=synthetic, which is drawn anew; leave it out")
    if values.pool % values.reuse:
        raise UsageError(f"--pool={values.pool} must be a multiple of --reuse={values.reuse}")


def main(values, arguments):
    """Train; return the exit code."""
    record, model_dir = common.to_config(values), values.model_dir
    if os.path.exists(model_dir) and not os.path.isdir(model_dir):
        raise DataError(f"{model_dir}: is a file; --model_dir takes a folder")
    common.start_tensorflow(values.verbosity)
    from mtl import checkpoint, evaluate, inference, model, progress, train
    from mtl.data import pipeline
    from mtl.tasks import NUMBER_TASKS

    saved = checkpoint.newest(model_dir)
    if saved and checkpoint.step_of(saved) >= record.steps:  # a finished run says so, or refuses other flags, without any data
        source, examples = None, None
    else:
        if record.init_from and not saved:
            checkpoint.find(record.init_from)
        # All data is read before the run directory is made: a run that cannot start leaves nothing behind.
        source, examples = pipeline.batches(record), _validation(record)
    watch = progress.Progress(record, common.say)

    def evaluator(session):
        towers = model.towers_of(record.threads, record.batch_size)  # each ready to read a part of what there is
        like = {"bottom": record.bottom, "objective": record.objective, "absent": record.absent}
        network = inference.build(tasks=NUMBER_TASKS, parts=towers, **like).bind(session)

        def measure():
            with watch.paused():
                return evaluate.measure(common.read(network, examples), examples.numbers, network.cost_of_means, record.absent)

        return measure

    records = {"flags.flags": common.flags_text(values), "versions.json": json.dumps(_versions(), indent=2) + "\n"}
    shown = watch if sys.stderr.isatty() or values.verbosity >= 1 else None  # a log wants what happened, not how it went
    with signals.Caught() as stop:
        watched = {"records": records, "say": common.say, "progress": shown, "stop": stop}
        result = train.run(record, model_dir, source, evaluator if examples else None, **watched)
    best = "" if result["best"] is None else f", best validation sequence accuracy {result['best']:.2%} at step {result['best_step']}"
    print(f"{model_dir}: step {result['step']}{best}")
    return 0


def _validation(record):
    """Load the Examples to validate on; None where a small data set holds none back."""
    count = SYNTHETIC_VALIDATION if record.dataset == "synthetic" else None
    try:
        drawing = {"style": record.style, "difficulty": record.difficulty}
        return common.load(record.dataset, record.data_dir, "validation", count=count, workers=record.workers, **drawing)
    except NoExamplesError as error:
        common.say(f"no validation, so the newest weights count as the best: {error}")
        return None


def _versions():
    """Return what the numbers of a run depend on beside its flags, dict name -> str."""
    import numpy
    import tensorflow.compat.v1 as tf

    return {
        "mtl": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }

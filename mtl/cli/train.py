"""`mtl train`: flags -> Config -> data -> the session loop."""

import contextlib
import dataclasses
import json
import os
import platform
import sys

from absl import flags

from mtl import __version__, config
from mtl.cli import common, signals
from mtl.errors import Interrupted, NoExamplesError, UsageError
from mtl.runs import files, lock

USAGE = "mtl train --model_dir=DIR [--flagfile=FILE] [--flag=value ...]"
SUMMARY = "train a network into a run directory, or continue a run"
VERSIONS = "versions.json"  # in a run directory
BITS_HANG_ON = ("mtl", "tensorflow", "numpy", "processor", "onednn")  # of what it holds
PACKAGED = (
    "--model_dir=pretrained names the packaged weights; choose another, or write ./pretrained"
)
SYNTHETIC_VALIDATION = 1000  # images drawn to validate on; of a set on disk all are taken


def define(values):
    """Define --model_dir and the flags of a run."""
    common.define_model_dir(
        values,
        "the run directory: weights, flags and metrics; an unfinished run in it is continued",
    )
    text = "write event files for TensorBoard into the run directory: scalars, the graph, pictures with what was read on them"
    flags.DEFINE_boolean("tensorboard", True, text, flag_values=values)
    define_run(values)


def define_run(values):
    """Define the flags that say what a run is: one for each field of Config."""
    field, positive = common.define_field, {"lower_bound": 1}
    field(values, "bottom", "the shared bottom", choices=config.BOTTOMS)
    field(
        values,
        "objective",
        "the cost of the six tasks: log_sum is the answer's, linear the plain sum",
        choices=config.OBJECTIVES,
    )
    text = "a digit that is not there: x is the answer's class X; mask the paper's way, left out of the cost"
    field(values, "absent", text, choices=config.ABSENT)
    share = (lambda value: 0.0 <= value < 1.0, "must lie in 0 to 1, 1 excluded")
    common.define_range(
        values, "label_smoothing", "share of each label spread over all classes", *share
    )
    common.define_range(
        values,
        "dropout",
        "share of a hidden layer set to 0 in training: of the last, in paper of each",
        *share,
    )
    field(values, "dataset", "what to train on", choices=config.DATASETS)
    field(values, "data_dir", "where the data set lies; synthetic needs none")
    text = "how much the images of a data set on disk are changed each time they are shown, 0 (cropped alone) to 1"
    common.define_range(values, "augment", text, *common.UP_TO_ONE)
    common.define_drawing(values)
    field(
        values, "pool", "drawn images held in memory at a time, a multiple of --reuse", **positive
    )
    field(
        values,
        "reuse",
        "fresh crops taken of each drawn image before another takes its place",
        **positive,
    )
    field(values, "batch_size", "images a training step", **positive)
    text = "what the shared bottom computes in as it trains: bf16 is faster with Intel's AMX or AMD's AVX512-BF16, elsewhere slower"
    field(values, "precision", text, choices=config.PRECISIONS)
    rate = (lambda value: 0.0 < value < float("inf"), "must be positive and finite")
    common.define_range(values, "learning_rate", "of Adam, at the first step", *rate)
    field(
        values,
        "schedule",
        "how the learning rate falls, linear and cosine to 0 at the last step",
        choices=config.SCHEDULES,
    )
    field(
        values,
        "steps",
        "training steps in all; more of them continue a finished run, the schedule stretched to the new end",
        **positive,
    )
    field(values, "seed", "decides all random numbers", lower_bound=0, upper_bound=2**31 - 1)
    field(
        values,
        "init_from",
        "a run directory whose weights a new run starts from, or pretrained: those that come with the package",
    )
    text = "what is done about a step whose cross entropies or gradients are infinite or NaN: end the run, or leave it out and say so"
    field(values, "on_nonfinite", text, choices=config.NONFINITE)
    field(values, "log_every", "steps between progress lines", **positive)
    field(
        values,
        "save_every",
        "steps between evaluations on validation, each followed by a checkpoint",
        **positive,
    )
    field(values, "workers", "processes that draw images; 0 is one for each core", lower_bound=0)
    common.define_views(
        values,
        config.Config.views,
        "how many views of a picture evaluate and predict average, once the run is trained",
    )
    field(values, "threads", "threads of TensorFlow; 0 is one for each core", lower_bound=0)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    common.check_no_arguments(arguments)
    common.check_model_dir(values, "say where the run shall live: --model_dir=runs/mine")
    if values.model_dir == "pretrained":
        raise UsageError(PACKAGED)
    check_run(values)


def check_run(values):
    """Hold the flags of a run against each other; reads no file."""
    common.check_data(values.dataset, values.data_dir)
    if values.augment and values.dataset == "synthetic":
        raise UsageError(
            f"--augment={values.augment} means nothing to --dataset=synthetic, which is drawn anew; leave it out"
        )
    if values.pool % values.reuse:
        raise UsageError(f"--pool={values.pool} must be a multiple of --reuse={values.reuse}")


def main(values, arguments):
    """Train; return the exit code."""
    record, model_dir = common.to_config(values), values.model_dir
    files.check_place(model_dir, "--model_dir")
    common.start_tensorflow(values.verbosity)
    from mtl import checkpoint, model, train
    from mtl.data import batches
    from mtl.evaluation import evaluate
    from mtl.inference import graph as inference_graph
    from mtl.monitor import progress, tensorboard
    from mtl.runs import directories
    from mtl.tasks import NUMBER_TASKS

    line, board = progress.Progress(record, common.say), None
    told = [line] * (
        sys.stderr.isatty() or values.verbosity >= 1
    )  # a log wants what happened, not how it went
    if os.path.realpath(model_dir) in map(os.path.realpath, directories.PACKAGED.values()):
        raise UsageError(PACKAGED)
    directories.check_not_checkpoint(model_dir)
    checkpoint.check_directory(model_dir)  # before the lock, which is a file in it
    with contextlib.ExitStack() as stack:
        if _finished(
            record, model_dir
        ):  # it says so, or refuses other flags, without any data and without a touch of its files
            result = train.run(record, model_dir, None, None, say=common.say)
            return _report(model_dir, result)
        same = stack.enter_context(lock.held(model_dir))
        directories.mend(model_dir, common.say)
        saved = checkpoint.newest(model_dir)
        record = (
            _as_before(record, model_dir)
            if saved
            else dataclasses.replace(record, threads=record.threads or os.cpu_count() or 1)
        )
        start = directories.find(record.init_from) if record.init_from and not saved else None
        # All data is read before the run directory is written: a run that cannot start leaves nothing behind.
        batches, examples = batches.batches(record), _validation(record)
        if values.tensorboard:
            board = tensorboard.Events(
                record, model_dir, checkpoint.step_of(saved) if saved else 0, common.say
            )
            stack.callback(board.close)
            told.append(board.step)
        signalled = stack.enter_context(signals.Caught())

        def source(first):
            with contextlib.closing(batches(first)) as stream:
                for batch in stream:
                    signalled.arm()  # from the first step on there is something to save
                    yield batch

        def stop():
            same()
            return signalled()

        def evaluator(session):
            towers = model.towers_of(
                record.threads, record.batch_size
            )  # each ready to read a part of what there is
            like = {"bottom": record.bottom, "objective": record.objective, "absent": record.absent}
            network = inference_graph.build(tasks=NUMBER_TASKS, parts=towers, **like).bind(session)

            def give_up_if_asked():
                if signalled():
                    where = f"{model_dir}: stopped in an evaluation, its step is saved"
                    raise Interrupted(f"{where}; the same command continues", signalled())

            def measure():
                with line.paused():
                    log_probs = common.read(network, examples, after_each=give_up_if_asked)
                    row = evaluate.measure(
                        log_probs, examples.numbers, network.cost_of_means, record.absent
                    )
                    if board:
                        board.evaluated(row, examples, log_probs)
                    return row

            return measure

        records = {
            "flags.flags": common.flags_text(values),
            VERSIONS: json.dumps(versions(), indent=2) + "\n",
        }

        def progressed(*step):
            for tell in told:
                tell(*step)

        watched = {
            "start": start,
            "records": records,
            "say": common.say,
            "progress": progressed if told else None,
            "stop": stop,
        }
        watched["watch"] = board.watch if board else None
        return _report(
            model_dir,
            train.run(record, model_dir, source, evaluator if examples else None, **watched),
        )


def _report(model_dir, result):
    best = (
        ""
        if result["best"] is None
        else f", best validation sequence accuracy {result['best']:.2%} at step {result['best_step']}"
    )
    print(f"{model_dir}: step {result['step']}{best}")
    return 0


def _finished(record, model_dir):
    """Tell whether there is nothing left to do: the last step is saved, whole, and evaluated where there is something to evaluate on."""
    from mtl import checkpoint
    from mtl.runs import directories

    saved = checkpoint.newest(model_dir)
    if not saved or checkpoint.step_of(saved) < record.steps or directories.damage(saved):
        return False
    step = checkpoint.step_of(saved)
    return (
        any(row["step"] == step for row in checkpoint.read_metrics(model_dir, up_to=step))
        or _validation(record) is None
    )


def _as_before(record, model_dir):
    """Return the Config of a run that is continued, with the number of threads it was begun with; say what may change its last digits."""
    from mtl import checkpoint

    begun = checkpoint.read_config(model_dir).threads
    threads = record.threads or begun or os.cpu_count() or 1
    if begun and threads != begun:
        common.say(
            f"warning: --threads={threads}, and the run was begun with {begun}: it continues, but not bit for bit"
        )
    elif threads != (record.threads or os.cpu_count()):
        common.say(
            f"{model_dir}: keeps the {threads} threads it was begun with; here are {os.cpu_count()} cores"
        )
    try:
        with checkpoint.open_text(os.path.join(model_dir, VERSIONS)) as file:
            before = dict(json.load(file))
    except (OSError, ValueError, TypeError, RecursionError):
        before = {}
    now = versions()
    changed = [
        f"{name} {before[name]} (now {now[name]})"
        for name in BITS_HANG_ON
        if name in before and before[name] != now[name]
    ]
    if changed:
        common.say(
            f"warning: {model_dir} was last trained with {', '.join(changed)}: it continues, but not bit for bit"
        )
    return dataclasses.replace(record, threads=threads)


def _validation(record):
    """Load the Examples to validate on; None where a small data set holds none back."""
    count = SYNTHETIC_VALIDATION if record.dataset == "synthetic" else None
    try:
        drawing = {"style": record.style, "difficulty": record.difficulty}
        return common.load(
            record.dataset,
            record.data_dir,
            "validation",
            count=count,
            workers=record.workers,
            **drawing,
        )
    except NoExamplesError as error:
        common.say(f"no validation, so the newest weights count as the best: {error}")
        return None


def versions():
    """Return what the numbers of a run depend on beside its flags, dict name -> str."""
    import numpy
    import tensorflow.compat.v1 as tf

    return {
        "mtl": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }


def processor():
    """Return the name of this machine's processor, str; of its kind alone where the system does not tell it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

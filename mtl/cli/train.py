"""`mtl train`: flags -> Config -> data -> the session loop."""

import contextlib
import json
import os

from absl import flags as absl_flags

from mtl.cli import cluster_flags, console, flags, signals
from mtl.cluster import spec
from mtl.errors import UsageError
from mtl.runs import files

USAGE = "mtl train --model_dir=DIR [--flagfile=FILE] [--flag=value ...]"
SUMMARY = "train a network into a run directory, or continue a run"
PACKAGED = "--model_dir=pretrained is the packaged network; choose another, or write ./pretrained"


def define(values):
    """Define --model_dir, --tensorboard and the flags of a run."""
    text = "run directory: weights, flags and metrics; an unfinished run in it is continued"
    flags.define_model_dir(values, text)
    text = "write event files for TensorBoard: scalars, the graph, images with their predictions"
    absl_flags.DEFINE_boolean("tensorboard", True, text, flag_values=values)
    text = (
        "at each evaluation, store the norms of the tasks' gradients at the shared bottom and the "
        "cosines between them; building them makes the start slower"
    )
    absl_flags.DEFINE_boolean("monitor_gradients", False, text, flag_values=values)
    flags.define_gpu(values)
    flags.define_run(values)
    cluster_flags.define(values)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_no_arguments(arguments)
    cluster = cluster_flags.cluster(values)
    if cluster is None or cluster.is_chief or cluster.job == spec.EVALUATOR:  # others write nothing
        flags.check_model_dir(values, "name the run directory: --model_dir=runs/mine")
    if values.model_dir == "pretrained":
        raise UsageError(PACKAGED)
    config = flags.to_config(values)
    flags.check_data(config.dataset, config.data_dir)
    spec.check_run(cluster, config)
    if values.separate_evaluator and config.patience:
        what = "--patience needs a chief that evaluates, not --separate_evaluator"
        raise UsageError(f"{what}; remove one of the two")


def main(values, arguments):
    """Train; return the exit code."""
    config, model_dir = flags.to_config(values), values.model_dir
    cluster = cluster_flags.cluster(values)
    if cluster and cluster.number != 0 and cluster.job != spec.EVALUATOR:
        console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
        from mtl.cli import members

        return members.run(cluster, config)
    files.check_place(model_dir, "--model_dir")
    console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
    from mtl import tasks
    from mtl.cli import evaluator, members, outcomes

    _check_directory(model_dir)
    if cluster and cluster.job == spec.EVALUATOR:
        return evaluator.run(config, model_dir)
    if cluster:
        with members.chief(cluster, config, model_dir) as attempts:
            result = attempts(lambda member: _result(config, values, member))
    else:
        result = _result(config, values)
    print(outcomes.of_run(model_dir, result, tasks.parse(config.tasks), config.best_by))
    return 0


def _result(config, values, member=None):
    """Train, unless the run is finished; return the result of train.run."""
    from mtl import train
    from mtl.cli import training
    from mtl.runs import lock

    model_dir = values.model_dir
    if training.is_finished(config, model_dir):
        # train.run reports it, or rejects other flags, and touches no file.
        run = training.held(config, model_dir)
        known = {"tasks": run.tasks, "inputs": run.inputs} if run else {}
        callbacks = train.Callbacks(say=console.say)
        return train.run(config, model_dir, None, None, callbacks=callbacks, **known)
    with lock.held(model_dir) as check_lock:
        return _train(config, values, check_lock, member)


def _train(config, values, check_lock, member):
    """Train in the run directory, which this process has locked; return the result of train.run.

    Args:
      config: Config.
      values: FlagValues.
      check_lock: function () -> None, see Stop.
      member: cluster.member.Member, the chief of a cluster, or None.
    """
    from mtl import checkpoint, run_files, train
    from mtl.cli import hardware, members, training
    from mtl.runs import find, mend

    model_dir = values.model_dir
    mend.mend(model_dir, console.say)
    saved = checkpoint.newest(model_dir)
    size = member.cluster.size if member else "none"
    config = hardware.with_threads(config, model_dir, saved, size)
    if not saved:
        find.start(config)  # before the data is read, which may take minutes
    # All data is opened before the run directory is written, so that a failed start writes nothing.
    part = members.part(member, config)
    opened = console.opened(config, training.held(config, model_dir), part)
    run = run_files.Run(config, opened.tasks, opened.inputs)
    start = None if saved else find.start(config, opened.inputs)
    examples = training.validation(config, opened.tasks, opened.inputs)
    monitor = _monitor(run, values, saved, examples)
    with contextlib.closing(monitor), signals.Caught() as signalled:
        evaluator = None
        if examples and not values.separate_evaluator:
            evaluator = training.Evaluator(run, model_dir, examples, monitor, signalled)
        callbacks = train.Callbacks(
            say=console.say,
            watch=monitor.watch,
            progress=monitor.step,
            each_step=monitor.each_step,
            texts=monitor.texts,
            stop=training.Stop(check_lock, signalled),
        )
        source = members.source(member, config, opened.source)
        source = training.ArmedSource(source, signalled, training.first_notice(config))
        hardware.report_device(config)
        console.notice("building the graph ...")
        return train.run(
            config,
            model_dir,
            source,
            evaluator,
            tasks=opened.tasks,
            inputs=opened.inputs,
            start=start,
            records=_records(values, size),
            callbacks=callbacks,
            member=member,
        )


def _monitor(run, values, saved, examples):
    """Return the training.Monitor of a run; saved: str, its newest checkpoint, or None."""
    from mtl import checkpoint
    from mtl.cli import training

    return training.Monitor(
        run,
        values.model_dir,
        checkpoint.step_of(saved) if saved else 0,
        verbose=values.verbosity >= 1,
        events=values.tensorboard,
        gradients=values.monitor_gradients,
        examples=len(examples.inputs) if examples else 0,
    )


def _records(values, size):
    """Return text files of a run, dict name -> text; size: str, see environment.versions."""
    from mtl import checkpoint
    from mtl.runs import environment

    return {
        checkpoint.FLAGS: flags.flags_text(values),
        checkpoint.VERSIONS: json.dumps(environment.versions(size), indent=2) + "\n",
    }


def _check_directory(model_dir):
    """Raise an error if --model_dir cannot be a run directory, before the lock is written there."""
    from mtl import run_files
    from mtl.runs import find

    if os.path.realpath(model_dir) in map(os.path.realpath, find.PACKAGED.values()):
        raise UsageError(PACKAGED)
    find.check_is_run(model_dir)
    run_files.check_directory(model_dir)

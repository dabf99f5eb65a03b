"""The threads and the device of a run, and what changed since it was last trained."""

import dataclasses
import json
import os

import tensorflow.compat.v1 as tf

from mtl import checkpoint, devices, machine, run_files, sessions
from mtl.cli import console
from mtl.runs import environment


def threads_of(config, model_dir, saved):
    """Return the number of threads of a run; a continued run keeps its own."""
    began = run_files.read_config(model_dir).threads if saved else 0
    return config.threads or began or machine.cores()


def with_threads(config, model_dir, saved, cluster="none"):
    """Return the Config with its number of threads, see `threads_of`.

    Another number of threads changes the last bits, and so do other versions of the software or
    another cluster. All are reported.
    """
    cores, threads = machine.cores(), threads_of(config, model_dir, saved)
    if not saved:
        return dataclasses.replace(config, threads=threads)
    began = run_files.read_config(model_dir).threads
    if began and threads != began:
        console.say(
            f"warning: --threads={threads}, but the run began with {began}: "
            "it continues, but not bit for bit"
        )
    elif threads != (config.threads or cores):
        console.say(f"{model_dir}: keeps its {threads} threads; this machine has {cores} cores")
    changed = _changed_versions(model_dir, cluster)
    if threads == began:
        changed += _changed_pools(model_dir, threads, config.batch_size)
    if changed:
        console.say(
            f"warning: {model_dir} was last trained with {', '.join(changed)}: "
            "it continues, but not bit for bit"
        )
    return dataclasses.replace(config, threads=threads)


def _changed_versions(model_dir, cluster):
    """List the changed versions of environment.DECIDES_BITS, as "numpy 1.26 (now 2.0)"."""
    before, now = _record(model_dir, checkpoint.VERSIONS), environment.versions(cluster)
    return [
        f"{name} {before[name]} (now {now[name]})"
        for name in environment.DECIDES_BITS
        if name in before and before[name] != now[name]
    ]


def _changed_pools(model_dir, threads, batch_size):
    """List the change of the pools, if this version or device divides the same threads otherwise.

    Other towers change the last bits.
    """
    pools = sessions.pools(sessions.session_config(threads, batch_size))
    before = _record(model_dir, checkpoint.CONFIG).get("threads", pools)
    return [] if before == pools else [f"thread pools {before} (now {pools})"]


def recorded_options(model_dir):
    """Return a tf.ConfigProto with the pools of threads that config.json records."""
    pools = _record(model_dir, checkpoint.CONFIG).get("threads", {})
    return tf.ConfigProto(**{f"{name}_parallelism_threads": count for name, count in pools.items()})


def _record(model_dir, name):
    """Return the JSON object in a file of a run, as a dict; empty if it is missing or damaged."""
    try:
        with run_files.open_text(os.path.join(model_dir, name)) as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def report_device(config):
    """Report what computes the steps: a GPU always, the processor only on a terminal.

    Args:
      config: Config; its threads are set.
    """
    report = console.say if devices.gpus() else console.notice
    towers = sessions.towers_of(config.threads, config.batch_size)
    report(f"training {devices.placement(config.threads, towers)}")

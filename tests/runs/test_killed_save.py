"""A process that is killed while it saves leaves a run directory that can be mended."""

import contextlib
import multiprocessing
import os
import pathlib
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.runs import mend
from tests import lives
from tests.run_directories import saved_steps

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc"),
]


def save_forever(directory, steps):
    """Save as fast as possible; send each saved step. With 6 MB, most of the time is a save."""
    with tf.Graph().as_default(), tf.Session() as session:
        zeros = tf.zeros_initializer()
        variables = {}
        for name in ("w0", "w1", "w2"):
            variables[name] = tf.get_variable(name, [500_000], tf.float32, zeros, use_resource=True)
        fill = [each.assign_add(tf.ones_like(each)) for each in variables.values()]
        saver = tf.train.Saver(variables)
        session.run(tf.variables_initializer(list(variables.values())))
        first = checkpoint.newest(directory)
        if first:
            checkpoint.restore(session, variables, first)
        step = checkpoint.step_of(first) if first else 0
        while True:
            step += 1
            session.run(fill)
            checkpoint.save(saver, session, directory, step, keep=2)
            steps.send(step)


@contextlib.contextmanager
def paused(process):
    """Stop a process. Its directory is then what a kill would leave."""
    os.kill(process.pid, signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{process.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)
    yield
    os.kill(process.pid, signal.SIGCONT)


def check_mended(directory, reached):
    """Mend a copy of the directory; return the number of files removed."""
    before, said = set(os.listdir(directory)), []
    mend.mend(str(directory), said.append)
    assert not [warning for warning in said if "cannot be read" in warning]
    newest = checkpoint.newest(str(directory))
    step = checkpoint.step_of(newest)
    assert step >= reached
    assert (checkpoint.read(newest, {"w1": ([500_000], tf.float32)})["w1"] == step).all()
    assert len(saved_steps(directory)) <= 2
    return len(before - set(os.listdir(directory)))


def test_forty_moments_of_a_saving_process(tmp_path):
    rng, directory, reached, removed = np.random.default_rng(11), tmp_path / "run", 0, 0
    for life in range(2):
        received, sent = multiprocessing.Pipe(duplex=False)
        process = lives.CONTEXT.Process(target=save_forever, args=[str(directory), sent])
        process.start()
        sent.close()
        try:
            for moment in range(20):
                for _ in range(rng.integers(1, 4)):
                    reached = received.recv()
                time.sleep(rng.uniform(0.0, 0.03))
                with paused(process):
                    copy = shutil.copytree(directory, tmp_path / f"{life}-{moment}")
                removed += check_mended(copy, reached)
                shutil.rmtree(copy)
        finally:
            process.kill()
            process.join()
        check_mended(directory, reached)
    assert removed, "no moment fell into a save"

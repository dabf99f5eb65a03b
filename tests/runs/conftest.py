import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint, run_files


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A run saved at steps 5 and 9, with its best weights of step 3. Read only."""
    directory = str(tmp_path_factory.mktemp("written"))
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.get_variable("w", initializer=np.arange(5, dtype=np.float32), use_resource=True)
        saver = tf.train.Saver({"w": w})
        session.run(w.initializer)
        for step in (5, 9):
            checkpoint.save(saver, session, directory, step, keep=2)
        checkpoint.save(saver, session, os.path.join(directory, "best"), 3)
    evaluations = [{"step": 3}, {"step": 5}, {"step": 9}]
    run_files.write_records(directory, {"config.json": "{}\n"}, evaluations)
    return directory


@pytest.fixture
def directory(written, tmp_path):
    """A copy of the run that a test may damage."""
    return shutil.copytree(written, tmp_path / "run")

"""The side of mtl in the benchmarks computes what mtl computes."""

import numpy as np
import pytest

from mtl import config as config_lib
from mtl.tasks import NUMBER_TASKS
from tests.benchmarks import mtl_trainer


@pytest.mark.slow
def test_side_of_mtl_predicts_with_its_current_weights():
    config = config_lib.Config(bottom="mlp", threads=1)
    images = np.random.default_rng(0).integers(0, 256, [3, 54, 54, 3], np.uint8)
    with mtl_trainer.opened(config) as side:
        logits = side.logits(images)
        assert side.read(images) > 0.0
        assert side.one(images[:1], 2) > 0.0
        log_probs = side._network.outputs(images)
    assert list(logits) == [task.name for task in NUMBER_TASKS]
    for name, rows in logits.items():
        expected = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(log_probs[name], expected, atol=1e-5)

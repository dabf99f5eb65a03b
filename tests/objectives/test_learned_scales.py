"""imtl_l and uncertainty, which learn a number for each task: tasks that change nothing."""

import numpy as np
import pytest

VALUES = np.array([0.4, -1.2, 2.0])
LEARNED = {"imtl_l": "objective/log_scales", "uncertainty": "objective/log_variances"}

each_objective = pytest.mark.parametrize("name", LEARNED)


@each_objective
@pytest.mark.parametrize("mean", [0.0, 1e-38, np.inf])
def test_a_loss_outside_the_clip_changes_nothing(steps, name, mean):
    built = steps(name)
    built.load(LEARNED[name], VALUES)
    found = built([mean, 7.0, 1.9])
    assert (found.terms[0], found.gradients[0], found.weights[0]) == (0, 0, 0)
    trained = found.trained[LEARNED[name]]
    assert trained[0] == 0.0 and trained[1:].all()
    assert np.isfinite(found.cost)


@each_objective
def test_a_task_without_labels_changes_nothing(steps, name):
    built = steps(name, masked=True)
    built.load(LEARNED[name], VALUES)
    found = built([1.0, 7.0, 1.9], known=[False, True, True])
    assert found.gradients[0] == found.trained[LEARNED[name]][0] == found.terms[0] == 0.0
    assert found.gradients[1] > 0.0

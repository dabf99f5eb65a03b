"""mtl.objectives.answer: the cost is answer.cost, and each task has its term."""

import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import answer, losses, objectives
from mtl.objectives import log_sum
from mtl.tasks import NUMBER_TASKS

NAMES = [task.name for task in NUMBER_TASKS]


def test_cost_is_answer_cost(monkeypatch):
    def cost(logits, labels):
        return functools.reduce(tf.add, [tf.ones([]) for _ in range(6)])

    monkeypatch.setattr(answer, "cost", cost)
    with tf.Graph().as_default():
        problem = objectives.Problem({}, logits=dict.fromkeys(NAMES))
        update = objectives.find("answer").build(problem)
        assert update.cost.op.type == "AddV2"
        assert len(update.terms) == 6


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]], ids=["as the answer", "reversed"])
def test_terms_are_the_logarithms_in_task_order(names):
    logits, labels = helpers.random_batch(np.random.default_rng(3), 7)
    logits = {name: logits[name] for name in names}
    with tf.Graph().as_default(), tf.Session() as session:
        problem = objectives.Problem({}, logits=logits, labels=labels)
        update = objectives.find("answer").build(problem)
        assert list(update.terms) == names
        means = losses.cross_entropies(logits, labels)
        cost, terms, means = session.run([update.cost, update.terms, means])
    for name, mean in means.items():
        np.testing.assert_allclose(terms[name], np.log(mean), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cost, log_sum.value(means, objectives.Settings()), rtol=1e-5)

"""mtl.objectives.answer: the cost is answer.cost, and each task has its term."""

import numpy as np
import tensorflow.compat.v1 as tf

import helpers
from mtl import answer, losses, objectives
from mtl.objectives import log_sum
from mtl.tasks import NUMBER_TASKS


def test_cost_is_answer_cost(monkeypatch):
    monkeypatch.setattr(answer, "cost", lambda logits, labels: tf.add(tf.ones([]), tf.ones([])))
    with tf.Graph().as_default():
        update = objectives.find("answer").build({"a": None, "b": None}, {}, {})
        assert update.cost.op.type == "AddV2"
        assert len(update.terms) == 2


def test_terms_are_the_logarithms_in_task_order():
    logits, labels = helpers.random_batch(np.random.default_rng(3), 7)
    with tf.Graph().as_default(), tf.Session() as session:
        update = objectives.find("answer").build(logits, labels, {})
        assert list(update.terms) == [task.name for task in NUMBER_TASKS]
        means = losses.cross_entropies(logits, labels)
        cost, terms, means = session.run([update.cost, update.terms, means])
    for name, mean in means.items():
        np.testing.assert_allclose(terms[name], np.log(mean), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cost, log_sum.value(means), rtol=1e-5)

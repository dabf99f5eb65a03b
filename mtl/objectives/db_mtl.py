"""Gradients of the log losses, averaged over steps and scaled to the same norm.

    d = sum over tasks k of max over j of norm(m_j) / norm(m_k) m_k
    m_k = b m_k + (1 - b) grad log(clip(L_k, clip_min, clip_max)),  b = beta / t^sigma at step t

Source: Lin et al. 2023, arXiv:2308.12029, section 3 (DB-MTL). beta and sigma: LibMTL's DB_MTL.

State: the running mean m_k of the gradient of each task: K times the numbers of the bottom, in
memory and in checkpoints.

Identity: all terms of d have the same norm. Multiplying a loss by a number changes nothing.

At the first step b is 0, so m_k is the gradient. In LibMTL m_k starts at 0, so that with beta 0.9
the first d is 0.1 of this one. LibMTL adds 1e-8 to a loss instead of the clip. The gradients of the
tops are those of the log losses, as in LibMTL. A task without a label in the batch has weight 0 and
keeps its m_k. A task whose m_k is 0 has weight 0 too. A loss outside the clip, such as exactly 0,
has a gradient of 0.
"""

import tensorflow.compat.v1 as tf

from mtl import tasks
from mtl.objectives import log_sum
from mtl.objectives.common import jacobian, present

NEUTRAL = 1.0
NEEDS = "gradients"
STATE = "mean gradient of each task"
PASSES = "1 forward, K backward"
SOURCE = "Lin et al. 2023, arXiv:2308.12029"
OPTIONS = {"beta": (0.9, 0.0, 1.0), "sigma": (0.5, 0.0, 10.0)}
USES = ("clip_min", "clip_max")


def weights(gram):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the running means.
    """
    norms = tf.sqrt(tf.linalg.diag_part(gram))
    return tf.div_no_nan(tf.reduce_max(norms) * tf.ones_like(norms), norms)


def decay(step, beta, sigma):
    """Return the share b of the old mean, float32 scalar; step: the number of steps done."""
    done = tf.cast(step, tf.float32)
    return tf.where(done > 0.0, beta / (done + 1.0) ** sigma, tf.zeros_like(done))


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    settings = problem.settings
    limits = settings.clip_min, settings.clip_max
    terms = {name: log_sum.term(mean, *limits) for name, mean in problem.means.items()}
    found = jacobian.build(problem, terms)
    share = decay(problem.step, settings.options["beta"], settings.options["sigma"])
    if problem.labelled is not None:  # without a label, a task keeps all of its old mean
        known = problem.labelled()[:, tf.newaxis]
        share = tf.where(known, tf.fill(tf.shape(known), share), tf.ones_like(known, tf.float32))
    state, rows = [], []
    for row, variable in zip(found.rows, problem.shared):
        mean = _variable(f"mean/{variable.op.name}", row.shape)
        old = mean.value()
        # Not row + share * (old - row), which can be wrong by the rounding of an old, large mean.
        rows.append(share * old + (1.0 - share) * row)
        state.append((mean, rows[-1]))
    gram = tf.linalg.diag(_squares(rows))  # the weights depend on no other products
    return found.update(present.weights(problem, gram, weights), state, rows)


def _squares(rows):
    """Return the squared norms, float64 [K]; rows: list of float32 [K, numbers]."""
    # One task at a time, so that the numbers in float64 stay in the cache.
    halves = [
        [tf.nn.l2_loss(tf.cast(each, tf.float64)) for each in tf.unstack(row)] for row in rows
    ]
    return 2.0 * tf.add_n([tf.stack(each) for each in halves])


def _variable(name, shape):
    """Create a variable of zeros. As a NumPy array they would be a constant in the graph."""
    with tf.variable_scope(tasks.OBJECTIVE):
        zeros = tf.zeros_initializer()
        return tf.get_variable(name, shape, tf.float32, zeros, trainable=False, use_resource=True)

"""The geometric mean of the losses: the answer's direction, scaled by the mean.

    cost = (product over tasks k of clip(L_k, clip_min, clip_max))^(1/K)
         = exp(mean over tasks k of log(clip(L_k, clip_min, clip_max)))

K is the number of tasks with a label in the batch.

Source: Chennupati et al. 2019, arXiv:1904.08492, section 3 (geometric loss strategy, GLS).

Identity: grad cost = cost / K * grad of log_sum. So the method is the answer with a learning rate
that shrinks with the losses. Adam, which divides by the size of recent gradients, hides most of it.

A loss of exactly 0 counts as clip_min. Its task has gradient 0, and the gradient of every other
task is scaled by clip_min^(1/K): with clip_min=1e-37 and 6 tasks, by 7e-7. LibMTL and TorchJD have
no clip, and give NaN there.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.objectives import Update
from mtl.objectives.common import weighting
from mtl.objectives.log_sum import term

NEUTRAL = 1.0
NEEDS = "losses"
STATE = "none"
PASSES = "1 forward, 1 backward"
SOURCE = "Chennupati et al. 2019, arXiv:1904.08492"
USES = ("clip_min", "clip_max")


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    logs = term(
        weighting.stack(problem.means), problem.settings.clip_min, problem.settings.clip_max
    )
    cost = tf.exp(weighting.mean_of(weighting.labelled(problem), logs))
    return Update(cost, dict(problem.means))


def value(means, settings):
    """Return the cost of mean losses as a float; see mtl.objectives."""
    clipped = np.clip(list(means.values()), settings.clip_min, settings.clip_max)
    return float(np.exp(np.mean(np.log(clipped))))

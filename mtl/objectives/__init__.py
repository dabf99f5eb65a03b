"""Objectives: how the losses of the tasks become one update. One file each, found by its name.

The file NAME.py is the objective `--objective=NAME`. It has:

    build(problem) -> Update        the cost, or gradients, in the current graph
    NEUTRAL                         the mean loss of a task without a label in the batch; it is a
                                    constant, so it has no gradient
    NEEDS                           "losses", or "gradients" of each task at the shared bottom
    STATE                           what it remembers between steps, in words, or "none"
    PASSES                          what a step costs, in words: passes through the network
    SOURCE                          the paper
    OPTIONS                         dict name -> (default, least, greatest), see
                                    --objective_options; a default that is an int accepts only
                                    whole numbers; may be missing
    USES                            the flags of mtl.config that it uses, of "task_weights",
                                    "clip_min" and "clip_max"; may be missing
    value(means, settings) -> float the same formula in NumPy, for the mean losses of a dataset, or
                                    None; missing if the cost is no fixed function of them

The constants are literals, so that `mtl train --objective=list` can read them without TensorFlow.

`--objective=module:function` is a function of your own: build(logits, labels, means) -> the cost,
a float32 scalar tensor, or an Update. It has no value(), so its evaluations show no cost.
"""

import functools
import importlib
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

from mtl import catalogue, config as config_lib, fields, tasks
from mtl.errors import UsageError


class Settings(NamedTuple):
    """The settings of an objective, see config.py. The defaults are those of the flags."""

    weights: Dict[str, float] = {}  # task name -> its weight in the cost; missing: 1
    clip_min: float = catalogue.CLIP_MIN
    clip_max: float = catalogue.CLIP_MAX
    options: Dict[str, float] = {}  # name -> value, all OPTIONS of the objective
    seed: int = 0


class Problem(NamedTuple):
    """What an objective turns into an update. Dicts are in task order."""

    means: Dict[str, Any]  # task name -> float32 scalar, the mean loss over labelled examples
    # Task name -> float32 [batch, outputs]. The labels of a softmax are probabilities, all zeros
    # where not labelled; those of a real task are standardised, NaN where not labelled.
    logits: Dict[str, Any] = {}
    labels: Dict[str, Any] = {}
    shared: Sequence = ()  # the variables of the shared bottom
    own: Sequence = ()  # the variables of the tops
    features: Any = None  # float32 [batch, features], the output of the shared bottom
    step: Any = None  # int64 variable, the number of training steps done
    settings: Settings = Settings()
    # Whether the gradients of a layer wait for those of the layer above, see mtl/optimizer.py.
    gated: bool = True
    # () -> bool [tasks], whether the batch has a label of the task; None: it always has.
    labelled: Optional[Callable] = None
    # The expected number of examples in a batch, or 0 if unknown. It decides only which of two
    # equal computations is faster.
    batch_size: int = 0
    # Function (list of lists of gradients, variables) -> the same for the whole batch, if this
    # graph has only a part of it. None: the batch is whole. See mtl/cluster/replica.py.
    whole: Optional[Callable] = None


class Update(NamedTuple):
    """The cost or the gradients that the optimiser uses, and what the objective remembers."""

    cost: Any  # float32 scalar tensor
    # Task name -> float32 scalar tensor. The cost is their sum. If it is not a sum, they are the
    # mean losses.
    terms: Dict[str, Any]
    # (gradient, variable) pairs; None means the gradients of the cost.
    gradients: Optional[list] = None
    # (variable, tensor) pairs. The tensors are computed before the weights change, and assigned in
    # the same step, unless it is skipped.
    state: Sequence = ()
    # function (means after the update of the weights, on the same batch) -> more such pairs. It
    # costs a second forward pass. None means that there is no such pass.
    follow: Optional[Callable] = None
    # float32 [tasks], the weight of each task's gradient, or a function that builds it; None means
    # d cost / d mean loss.
    weights: Any = None


class Own(NamedTuple):
    """An objective of the user, with the names that the module of an objective has."""

    build: Callable
    value: Optional[Callable] = None  # None: the cost of an evaluation is unknown
    NEUTRAL: float = 0.0
    NEEDS: str = catalogue.LOSSES


def find(name):
    """Return the module of an objective, or the Own of module:function.

    Raises:
      ValueError: the name is not in config.OBJECTIVES.
      UsageError: there is no such function.
    """
    config_lib.check("objective", name)
    if name in config_lib.OBJECTIVES:
        return importlib.import_module(f"{__name__}.{name}")
    return Own(functools.partial(_build_own, name))


def settings(config):
    """Return the Settings of a config.Config."""
    names = [task.name for task in tasks.parse(config.tasks)]
    weights = catalogue.weights(config.task_weights)
    return Settings(
        weights=dict(zip(names, weights)),
        clip_min=config.clip_min,
        clip_max=config.clip_max,
        options=catalogue.options(config.objective, config.objective_options),
        seed=config.seed,
    )


def value_of(config):
    """Return the cost as a function of the mean losses of a dataset, or None without a value().

    Args:
      config: config.Config.

    Returns:
      function (means) -> float, or None if these settings have no fixed cost; means: dict task
      name -> float, in which tasks may be missing.
    """
    value = getattr(find(config.objective), "value", None)
    return functools.partial(value, settings=settings(config)) if value else None


def variable(name, initial, trainable=False):
    """Create a variable of an objective. It is saved and restored with the weights.

    Args:
      name: str, within objective/.
      initial: NumPy array, whose dtype the variable has.
      trainable: bool, whether the optimiser of the weights changes it, by the gradient of the cost.
        Else Update.state does. It is no weight of the network: best/ and --init_from ignore it.
    """
    import tensorflow.compat.v1 as tf  # not above: reports find objectives without TensorFlow

    with tf.variable_scope(tasks.OBJECTIVE):
        return tf.get_variable(name, initializer=initial, trainable=trainable, use_resource=True)


def _build_own(name, problem):
    """Build the cost of module:function; return an Update."""
    import tensorflow.compat.v1 as tf

    given = problem.logits, problem.labels, problem.means
    built = fields.call_own("objective", name, *given)
    update = built if isinstance(built, Update) else Update(built, dict(problem.means))
    cost = update.cost
    if not tf.is_tensor(cost) or cost.dtype != tf.float32 or cost.shape.rank != 0:
        what = " ".join(f"returned {built!r}".split())[:200]
        raise UsageError(f"--objective={name} {what}; return the cost, a float32 scalar tensor")
    return update

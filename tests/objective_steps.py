"""An objective on losses that a test chooses, step by step, without a network."""

import types

import numpy as np
import tensorflow.compat.v1 as tf

import helpers
from mtl import objectives


class Steps:
    """The graph of an objective on placeholders, in its session."""

    def __init__(self, name, count=3, masked=False, **fields):
        """Build it; count: tasks; masked: whether calls take `known`; fields: helpers.problem."""
        self._graph = tf.Graph()
        self._session = tf.Session(graph=self._graph)
        with self._graph.as_default():
            shape = [count]
            self._means = tf.placeholder(tf.float32, shape)
            self._after = tf.placeholder_with_default(self._means, shape)
            self._known = tf.placeholder_with_default(np.ones(count, bool), shape)
            self._step = tf.placeholder_with_default(np.int64(0), [])
            names = [f"task{i}" for i in range(count)]
            labelled = (lambda: self._known) if masked else None
            means = dict(zip(names, tf.unstack(self._means)))
            problem = helpers.problem(means, name, labelled=labelled, step=self._step, **fields)
            update = objectives.find(name).build(problem)
            pairs = list(update.state)
            if update.follow:
                pairs += update.follow(dict(zip(names, tf.unstack(self._after))))
            self.variables = {each.op.name: each for each in tf.global_variables()}
            trained = tf.trainable_variables()
            gradients = tf.gradients(update.cost, [self._means, *trained])
            zeros = tf.zeros_like(self._means)
            self._fetches = {
                "cost": update.cost,
                "terms": tf.stack(list(update.terms.values())),
                # d cost / d mean loss of each task, and that of each trained variable.
                "gradients": zeros if gradients[0] is None else gradients[0],
                "trained": dict(zip([each.op.name for each in trained], gradients[1:])),
                "weights": update.weights if update.weights is not None else zeros,
            }
            self._assign = [variable.assign(value) for variable, value in pairs]
            self._session.run(tf.global_variables_initializer())

    def __call__(self, means, after=None, known=None, step=0, rate=0.0):
        """Run a step, in which the trained variables move by -rate * gradient.

        Returns:
          SimpleNamespace of the fetches.
        """
        feed = {self._means: np.float32(means), self._step: step}
        if after is not None:
            feed[self._after] = np.float32(after)
        if known is not None:
            feed[self._known] = known
        found, _ = self._session.run([self._fetches, self._assign], feed)
        for name, gradient in found["trained"].items():
            self.load(name, self.value(name) - rate * gradient)
        return types.SimpleNamespace(**found)

    def value(self, name):
        """Return the value of a variable."""
        return self._session.run(self.variables[name])

    def load(self, name, value):
        """Set a variable."""
        initializer = self.variables[name].initializer
        self._session.run(initializer, {initializer.inputs[1]: value})

    def state(self):
        """Return the values of all variables, dict name -> array."""
        return self._session.run(self.variables)

    def close(self):
        """Close the session."""
        self._session.close()


class Rows:
    """An objective on losses with gradients that a test chooses: L_k = mean_k + rows_k . shared.

    The variables of the bottom are 0, in two layers: a first matrix, then a last matrix and bias. A
    row is the gradient at all of them, in this order.
    """

    SHAPES = {"first/w": [2, 3], "last/w": [3, 1], "last/b": [1]}
    PARAMETERS = 10

    def __init__(self, name, count=3, masked=False, **fields):
        """Build it; arguments as Steps."""
        self._graph = tf.Graph()
        self._session = tf.Session(graph=self._graph)
        with self._graph.as_default():
            self._means = tf.placeholder(tf.float32, [count])
            self._rows = tf.placeholder(tf.float32, [count, self.PARAMETERS])
            self._known = tf.placeholder_with_default(np.ones(count, bool), [count])
            shared, own = [], []
            with tf.variable_scope("shared"):
                for each, shape in self.SHAPES.items():
                    shared.append(tf.get_variable(each, initializer=np.zeros(shape, np.float32)))
            flat = tf.concat([tf.reshape(each, [-1]) for each in shared], 0)
            losses = {}
            for k in range(count):
                own.append(tf.get_variable(f"task{k}/w", initializer=np.float32(0.0)))
                row = tf.reduce_sum(self._rows[k] * flat)
                losses[f"task{k}"] = self._means[k] + row + (k + 1.0) * own[k]
            labelled = (lambda: self._known) if masked else None
            settings = {"shared": shared, "own": own, "labelled": labelled, **fields}
            update = objectives.find(name).build(helpers.problem(losses, name, **settings))
            self.variables = {each.op.name: each for each in tf.global_variables()}
            network = [*shared, *own]
            gradients = update.gradients or list(zip(tf.gradients(update.cost, network), network))
            named = {variable.op.name: gradient for gradient, variable in gradients}
            learned = tf.trainable_variables("objective/")
            slopes = tf.gradients(update.cost, learned) if learned else []
            self._fetches = {
                "cost": update.cost,
                "weights": update.weights,
                "direction": tf.concat(
                    [tf.reshape(named[each.op.name], [-1]) for each in shared], 0
                ),
                "tops": tf.stack([named[each.op.name] for each in own]),
                "trained": dict(zip([each.op.name for each in learned], slopes)),
            }
            self._assign = [variable.assign(value) for variable, value in update.state]
            self._session.run(tf.global_variables_initializer())

    def __call__(self, means, rows, known=None, rate=0.0):
        """Run a step; return a SimpleNamespace. Arguments as Steps."""
        feed = {self._means: np.float32(means), self._rows: np.float32(rows)}
        if known is not None:
            feed[self._known] = known
        found, _ = self._session.run([self._fetches, self._assign], feed)
        for name, gradient in found["trained"].items():
            self.load(name, self.value(name) - rate * gradient)
        return types.SimpleNamespace(**found)

    value, load, close = Steps.value, Steps.load, Steps.close

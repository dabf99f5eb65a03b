"""The session loop: step, log, save, evaluate, stop."""

import dataclasses
import functools
import json
import math
import os
from typing import Callable, NamedTuple, Optional, Sequence

import tensorflow.compat.v1 as tf

from mtl import checkpoint, run_files, sessions
from mtl.data import batches
from mtl.errors import Interrupted, MtlError, NotFiniteError
from mtl.tasks import OBJECTIVE, missing

CURE = (
    "lower --learning_rate in a new --model_dir, check the data, "
    "or skip such steps with --on_nonfinite=skip"
)


def _never():
    return 0


class Callbacks(NamedTuple):
    """Functions that a run calls while it trains."""

    say: Callable = print  # (str): one-off messages
    watch: Optional[Callable] = None  # (session, Graph): may add operations to the graph
    # (step, cost, losses, inputs, labels), every config.log_every steps.
    progress: Optional[Callable] = None
    each_step: Optional[Callable] = None  # (step, cost, losses), after every step: must be fast
    texts: Optional[Callable] = None  # (step) -> dict file name -> text, written before a save
    # () -> int: the number of a received signal, or 0. Called after steps and while waiting.
    stop: Callable = _never


DEFAULTS = Callbacks()


class Others(NamedTuple):
    """What a training loop asks about other workers, after each step."""

    fetches: Sequence  # tensors, fetched with the step
    after: Callable  # (step, their values) -> int, the steps done by all workers


def due_steps(config):
    """Return the set of steps after which the run is saved and evaluated."""
    return {*range(config.save_every, config.steps, config.save_every), config.steps}


class Training:
    """A run in its session: the training loop and its parts."""

    def __init__(self, run, model_dir, session, graph, measure, history, callbacks, others=None):
        """Build the savers and the function of one step.

        Args:
          run: run_files.Run.
          model_dir, callbacks: as train.run.
          session: tf.Session.
          graph: graph.Graph.
          measure: function () -> dict of metrics, or None.
          history: list of dict, the evaluations so far; extended in place.
          others: Others, or None on one machine.
        """
        self.run = run
        self.config = run.config
        self.model_dir = model_dir
        self.session = session
        self.graph = graph
        self.measure = functools.partial(_measured, measure) if measure else None
        self.history = history
        self.others = others
        self.callbacks = callbacks
        self.skipped = 0
        self.options = None  # the tf.ConfigProto of the session, once it is recorded
        self.variables = {each.op.name: each for each in tf.global_variables()}
        self.weights = {  # without those that the objective learns
            each.op.name: each
            for each in tf.trainable_variables()
            if not each.op.name.startswith(f"{OBJECTIVE}/")
        }
        self.saver = checkpoint.saver(self.variables)
        self.best_saver = checkpoint.saver({**self.weights, "global_step": graph.step})
        self.initialize = tf.variables_initializer(list(self.variables.values()))
        self.totals = {
            name: tf.reduce_sum(each)
            for name, each in self.variables.items()
            if each.dtype.is_floating
        }
        fetches = [graph.minimize, graph.cost, graph.watched, *(others.fetches if others else ())]
        self.step_once = session.make_callable(fetches, [graph.inputs, *graph.labels.values()])

    def restore(self, saved, start):
        """Initialise the variables, then restore them from a checkpoint (str or None).

        Args:
          saved: the newest checkpoint of this run; all variables are restored.
          start: a checkpoint of another run, see checkpoint.transfer.
        """
        self.session.run(self.initialize)
        if saved:
            checkpoint.restore(self.session, self.variables, saved)
            self._say(f"continuing from step {checkpoint.step_of(saved)}")
        elif start:
            new = checkpoint.transfer(self.session, self.weights, start)
            others = f"; new tasks: {', '.join(new)}" if new else ""
            self._say(f"starting from the weights of {start}{others}")

    def begin(self, first, options, records, unevaluated):
        """Write config.json, the other records and metrics.jsonl into the run directory.

        Args:
          first: int, the step from which the run continues.
          options: tf.ConfigProto of the session.
          records: dict file name -> text.
          unevaluated: bool, whether step `first` has no evaluation yet.
        """
        self.options = options
        run_files.write_records(self.model_dir, {**self._config_json(), **records}, self.history)
        if unevaluated:
            self.evaluate(first)

    def _config_json(self):
        """Return config.json, dict file name -> text. Its temperature is that of the best step."""
        record = {
            **run_files.to_json(self.run),
            run_files.TEMPERATURE: run_files.temperature_of(self.history),
            "threads": sessions.pools(self.options),
            "config": dataclasses.asdict(self.config),
        }
        return {checkpoint.CONFIG: json.dumps(record, indent=2) + "\n"}

    def loop(self, first, source, begin):
        """Train from step `first` to the end: step, log, save, evaluate, stop.

        Args:
          first: int.
          source: as train.run.
          begin: function () -> None, called before the first step, once its batch is valid. A start
            that fails earlier writes no file.

        Returns:
          int, the last step, which is less than config.steps if config.patience is exhausted.
        """
        if first >= self.config.steps:
            begin()
            return first
        due, step = due_steps(self.config), first
        stream = batches.prefetch(source(first), stop=self.callbacks.stop)
        try:
            while step < self.config.steps:
                inputs, labels = self.next_batch(stream, step + 1, first)
                if step == first:
                    begin()
                if self.is_exhausted(step):
                    return step
                before = step
                step, cost, values, broken = self.train_step(before + 1, inputs, labels)
                if broken:
                    self.skip_or_raise(step, broken)
                every = self.config.log_every
                # With other workers, this step may be some steps later than the one before.
                if self.callbacks.progress and step // every > before // every:
                    self.callbacks.progress(step, cost, values, inputs, labels)
                if self.callbacks.each_step:
                    self.callbacks.each_step(step, cost, values)
                signum = self.callbacks.stop()
                is_due = not due.isdisjoint(range(before + 1, step + 1))
                if is_due or signum:
                    self.save(step)
                if signum:
                    self.raise_interrupted(f"and saved at step {step}", signum)
                if is_due:
                    self.evaluate(step)
        finally:
            stream.close()
        return step

    def is_exhausted(self, step):
        """Return whether a step was evaluated and ends the run, because of --patience."""
        evaluated = bool(self.history) and self.history[-1]["step"] == step
        if not evaluated or not run_files.is_exhausted(self.history, self.config.patience):
            return False
        best = run_files.best(self.history)["step"]
        what = f"no better score in {self.config.patience} evaluations after step {best}"
        self.callbacks.say(f"step {step}: {what}; stopping early (--patience)")
        return True

    def next_batch(self, stream, step, first):
        """Return the batch of a step. If there is no valid one, save the steps before and raise."""
        try:
            batch = next(stream, None)
            if batch is not None:
                self.run.check_batch(*batch)
        except Exception as error:
            self.callbacks.stop()  # raises if the directory no longer belongs to this run
            if step - 1 > first:
                self.save(step - 1)
                if isinstance(error, MtlError):
                    error.args = (f"{error}; saved at step {step - 1}",)
            raise
        if batch is None:
            self.save(step - 1)
            signum = self.callbacks.stop()
            if not signum:
                cure = "a source must yield batches without end"
                raise ValueError(f"the source has no batch for step {step}; {cure}")
            where = f"and saved at step {step - 1}" if step > 1 else "before its first step"
            self.raise_interrupted(where, signum)
        return batch

    def train_step(self, step, inputs, labels):
        """Run one training step.

        Returns:
          the steps done (int), cost (float), losses (dict task name -> float, without tasks that
          have no label in the batch), and a message for each loss or gradient that is not finite.
        """
        try:
            fed = [labels[name] for name in self.graph.labels]
            _, cost, watched, *found = self.step_once(inputs, *fed)
        except tf.errors.ResourceExhaustedError as error:
            # Some weights may be updated already, so this step is not saved.
            what = f"step {step}: out of memory ({checkpoint.first_line(error)})"
            raise MtlError(f"{what}; lower --batch_size, then repeat the command") from error
        count = len(self.graph.losses)
        values = dict(zip(self.graph.losses, watched))
        sums = dict(zip(self.graph.gradients, watched[count:]))
        for task in self.run.tasks:
            if missing(task, self.config.absent, labels[task.name]).all():
                del values[task.name]
        broken = _not_finite("task {}: loss", values)
        broken += _not_finite("variable {}: the sum of its gradient", sums)
        return self.others.after(step, found) if self.others else step, cost, values, broken

    def skip_or_raise(self, step, broken):
        """Report a skipped step, or raise NotFiniteError; broken: list of str."""
        if self.config.on_nonfinite != "skip":
            raise NotFiniteError(f"{broken[0]} at step {step}; {CURE}")
        self.skipped += 1
        self.callbacks.say(f"step {step}: {broken[0]}; skipped, {self.skipped} so far")

    def save(self, step):
        """Save a step unless it is saved already.

        Raises:
          NotFiniteError: a variable is infinite or NaN.
        """
        totals = self.session.run(self.totals)
        broken = _not_finite("variable {}: the sum of its values", totals)
        if broken:  # an update may overflow although every gradient is finite
            raise NotFiniteError(f"{broken[0]} at step {step}; {CURE}")
        last = checkpoint.newest(self.model_dir)
        if step > (checkpoint.step_of(last) if last else 0):
            texts = self.callbacks.texts(step) if self.callbacks.texts else {}
            checkpoint.save(self.saver, self.session, self.model_dir, step, checkpoint.KEEP, texts)

    def evaluate(self, step):
        """Evaluate a saved step, save its weights if they are the best, and store the metrics."""
        if not self.measure:
            return
        row = {"step": step, **self.measure()}
        self.callbacks.say(f"step {step}: {row.pop('message', None) or run_files.outcome(row)}")
        # The best weights are written before the metrics that name them.
        if run_files.best([*self.history, row]) is row:
            best_dir = os.path.join(self.model_dir, checkpoint.BEST)
            checkpoint.save(self.best_saver, self.session, best_dir, step)
        self.history.append(row)
        run_files.write_records(self.model_dir, self._config_json(), self.history)

    def raise_interrupted(self, where, signum):
        """Raise Interrupted; where: str, how far the run is saved."""
        message = f"{self.model_dir}: stopped {where}; the same command continues"
        raise Interrupted(message, signum)

    def _say(self, text):
        self.callbacks.say(f"{self.model_dir}: {text}")


def _measured(measure):
    """Return the metrics of an evaluation; raise ValueError without a valid score."""
    row = measure()
    if not run_files.has_valid_score(row):
        cure = 'return a dict with "score", a finite float, the larger the better, or None'
        raise ValueError(f"the evaluator returned {row!r:.200}; {cure}")
    return row


def _not_finite(what, values):
    """List a message for each value that is infinite or NaN; what: format of its start."""
    broken = [(name, value) for name, value in values.items() if not math.isfinite(value)]
    return [f"{what.format(name)} is {value}" for name, value in broken]

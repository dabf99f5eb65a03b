"""The parts that `mtl train` connects: validation, the monitor, the evaluator and the signals."""

import contextlib
import sys

import numpy as np

from mtl import checkpoint, kinds, model, objectives, run_files, sessions
from mtl.cli import console, outcomes
from mtl.errors import Interrupted, NoExamplesError
from mtl.evaluation import by_task, evaluate, reliability
from mtl.inference import graph as inference_graph
from mtl.monitor import combination, floor, progress, tensorboard
from mtl.runs import verify
from mtl.tasks import is_numbers

SYNTHETIC_VALIDATION = 1000  # images drawn for validation; a dataset on disk is used in full


def held(config, model_dir):
    """Return the run_files.Run of a run directory; None if there is no run, or it has other flags.

    train.run rejects other flags.
    """
    if not checkpoint.newest(model_dir):
        return None
    run = run_files.read(model_dir)
    return None if run_files.differences(run.config, config) else run


def is_finished(config, model_dir):
    """Return whether the run is over, and its last step readable and evaluated.

    It is over after its last step, or once --patience is exhausted. A dataset without validation
    needs no evaluation.
    """
    saved = checkpoint.newest(model_dir)
    if not saved or verify.damage(saved):
        return False
    step = checkpoint.step_of(saved)
    rows = run_files.read_metrics(model_dir, up_to=step)
    if step < config.steps and not run_files.is_exhausted(rows, config.patience):
        return False
    if any(row["step"] == step for row in rows):
        return True
    run = run_files.read(model_dir)
    return validation(run.config, run.tasks, run.inputs) is None


def validation(config, tasks, inputs):
    """Load the Examples of validation; return None if there are none, or none with a label.

    Args:
      config: Config.
      tasks, inputs: of the run, see data.registry.Opened.
    """
    count = SYNTHETIC_VALIDATION if config.dataset == "synthetic" else None
    try:
        examples = console.validation(config, count, tasks, inputs)
        _check_labelled(config, tasks, examples)
    except NoExamplesError as error:
        console.say(f"no validation, so the newest weights count as the best: {error}")
        return None
    return examples


def _check_labelled(config, tasks, examples):
    """Raise NoExamplesError if no example has a label that selects the best weights."""
    exact = config.best_by == by_task.EXACT_MATCH
    chosen = [task for task in tasks if exact or config.best_by in (task.name, "")]
    missing = [kinds.find(task.kind).missing(examples.labels[task.name]) for task in chosen]
    # An exact match needs all labels of an example, any other score one label.
    if not (np.any(missing, axis=0) if exact else np.all(missing, axis=0)).all():
        return
    names = ", ".join(task.name for task in chosen)
    what = f"no example of validation has {'all labels' if exact else 'a label'} of {names}"
    raise NoExamplesError(f"{config.data_dir}: {what}")


class Monitor:
    """The progress line on a terminal, how tasks are combined, and TensorBoard's event files."""

    def __init__(self, run, model_dir, first, *, verbose, events, gradients=False, examples=0):
        """Store the settings. Files are created later.

        Args:
          run: run_files.Run.
          model_dir: str.
          first: int, the step from which the run continues.
          verbose: bool, whether progress lines are written to a pipe too.
          events: bool, whether event files are written.
          gradients: bool, whether evaluations compare the gradients of the tasks.
          examples: int, of validation; 0 if nothing is evaluated.
        """
        terminal = sys.stderr.isatty()
        self._line = progress.Progress(run.config, console.say, timed=terminal, examples=examples)
        self._shows_line = verbose or terminal
        self._combination = combination.Combination(run, gradients)
        self._floor = floor.Floor(run.config.clip_min, model_dir, first)
        self._events = None
        if events:
            self._events = tensorboard.Events(run, model_dir, first, console.say)

    def watch(self, session, graph):
        """Add the tensors that are reported to the training graph."""
        self._combination.watch(session, graph)
        if self._events:
            self._events.watch(session, graph)

    def each_step(self, step, cost, losses):
        """Report the progress on a terminal, and count; see train.Callbacks.each_step."""
        self._line.each_step(step, cost, losses)
        self._floor.each_step(losses)

    def texts(self, step):
        """Return what a continued run needs to count on; see train.Callbacks.texts."""
        return self._floor.texts(step)

    def step(self, *outcome):
        """Report a step; see train.Callbacks.progress."""
        if self._shows_line:
            self._line(*outcome)
        if self._events:
            self._events.step(*outcome)

    @contextlib.contextmanager
    def evaluation(self):
        """Exclude the time of the block from the reported speed."""
        with self._line.paused():
            yield

    def evaluated(self, row, examples, outputs):
        """Complete the row of an evaluation, and report it; see tensorboard.Events.evaluated."""
        row["monitor"] = {floor.KEY: self._floor.count, **self._combination.measured(examples)}
        if self._events:
            self._events.evaluated(row, examples, outputs)

    def close(self):
        """Close the event file."""
        if self._events:
            self._events.close()


class Evaluator:
    """Evaluates the network on validation during training. It uses the variables in training."""

    def __init__(self, run, model_dir, examples, monitor, signalled):
        """Store what an evaluation needs.

        Args:
          run: run_files.Run.
          model_dir: str, for the message of an interruption.
          examples: Examples of validation.
          monitor: Monitor.
          signalled: function () -> int, the number of the signal received, or 0.
        """
        self._run, self._model_dir, self._examples = run, model_dir, examples
        self._monitor, self._signalled = monitor, signalled
        self._network = None

    def __call__(self, session):
        """Build the inference graph; return the function that evaluates."""
        config = self._run.config
        self._network = inference_graph.build(
            tasks=self._run.tasks,
            inputs=self._run.inputs,
            parts=sessions.towers_of(config.threads, config.batch_size),
            **model.network_settings(config),
        ).bind(session)
        return self.measure

    def measure(self):
        """Evaluate; return the entry of metrics.jsonl, without its step, and the message."""
        config, tasks = self._run.config, self._run.tasks
        with self._monitor.evaluation():
            outputs = self._read(views=1)
            if is_numbers(tasks):
                row = self._measure_numbers(outputs)
            else:
                value = objectives.value_of(config)
                row = by_task.measure(outputs, self._examples.labels, tasks, value)
            row["score"] = by_task.score(row, tasks, config.best_by)
            self._monitor.evaluated(row, self._examples, outputs)
        return {**row, "message": outcomes.of_evaluation(row, tasks, config.best_by)}

    def _measure_numbers(self, log_probs):
        """Return the metrics of decoded numbers, with the temperature for the views of the run."""
        config, numbers = self._run.config, self._examples.numbers
        # Not calibrated: the temperature is fitted on the same examples.
        value = objectives.value_of(config)
        row = evaluate.measure(log_probs, numbers, value, config.absent)
        # Averaging views flattens the probabilities, so it needs a temperature of its own.
        averaged = log_probs if config.views == 1 else self._read(config.views)
        row[run_files.TEMPERATURE] = reliability.fit_temperature(averaged, numbers)
        return row

    def _read(self, views):
        return console.read(self._network, self._examples, views, self._check_signal)

    def _check_signal(self):
        signum = self._signalled()
        if signum:
            where = f"{self._model_dir}: stopped during an evaluation; its step is saved"
            raise Interrupted(f"{where}; the same command continues", signum)


def first_notice(config):
    """Return the notice before the first batch, which may take a minute."""
    if config.dataset == "synthetic":
        return f"drawing {config.pool:,} images of train ..."
    return "preparing the first batch ..."


class ArmedSource:
    """A source that starts the recording of signals at its first batch; see signals.Caught."""

    def __init__(self, source, signalled, notice):
        """Wrap a source.

        Args:
          source: as train.run.
          signalled: signals.Caught.
          notice: str, shown on a terminal before the first batch.
        """
        self._source, self._signalled, self._notice = source, signalled, notice

    def __call__(self, first_step):
        """Yield the batches of the source."""
        console.notice(self._notice)
        with contextlib.closing(self._source(first_step)) as stream:
            for batch in stream:
                self._signalled.arm()
                yield batch


class Stop:
    """The train.Callbacks.stop of `mtl train`: checks the lock, then returns a received signal."""

    def __init__(self, check_lock, signalled):
        """Store both; check_lock raises DataError if the run directory was replaced."""
        self._check_lock, self._signalled = check_lock, signalled

    def __call__(self):
        """Return the number of the signal, or 0."""
        self._check_lock()
        return self._signalled()

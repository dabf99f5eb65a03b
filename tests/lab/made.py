"""Results of runs that were made up, for the tests of tables and pages."""

from mtl.config import Config
from mtl.lab import grid
from mtl.lab.results import Evaluation, Result
from mtl.lab.work import Ended
from tests.lab.conftest import TASKS

DONE = Ended(0, "", 1.0, 500.0, 1)
DIVERGED = Ended(3, "mtl train: task a: loss is nan; lower --learning_rate", 1.0, 500.0, 1)


def evaluation(step, score, accuracy, rmse, **more):
    """Return an Evaluation of the tasks a:2 and h:real."""
    tasks = {"a": {"loss": 0.5, "accuracy": accuracy}, "h": {"loss": 0.5, "rmse": rmse}}
    empty = {"weights": {}, "steps_at_floor": None, "norms": {}, "cosines": {}}
    totals = {"score": score, "exact_match": None}
    return Evaluation(step, score, totals, tasks, **{**empty, **more})


def result(run, best, *, seconds=0.01, ended=DONE, before=(), test=None):
    """Return a Result whose last evaluation is the best."""
    evaluations = [*before, *([best] if best else [])]
    return Result(run, ended, evaluations, best, seconds, test)


def runs(values, choose=("learning_rate",), choosing=0, **changed):
    """Return the runs of a grid of two own tasks."""
    settings = vars(Config(**TASKS))
    return grid.runs({**settings, **changed}, values, choose, choosing)


def seeds(*pairs):
    """Return results of one variant for each (objective, scores over seeds) pair."""
    found = []
    for objective, scores in pairs:
        values = {"objective": [objective], "seed": list(range(len(scores)))}
        for run, score in zip(runs(values), scores):
            best = evaluation(4, score, score, 2 - score)
            found.append(result(run, best))
    return found

"""The figures of a comparison: means, intervals, differences and ranks of its variants."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtl import kinds
from mtl.evaluation import by_task
from mtl.lab import costs, statistics, variants as variants_lib
from mtl.lab.grid import SINGLE
from mtl.lab.results import Evaluation, Result
from mtl.lab.statistics import Mean, mean_of
from mtl.lab.variants import Variant
from mtl.tasks import Task, is_numbers, parse

REFERENCE = "linear"


class Summary(NamedTuple):
    """The figures of a variant on one split, over the seeds of its chosen setting."""

    score: Mean | None
    totals: dict[str, Mean | None]  # metric of all tasks together
    tasks: dict[str, dict[str, Mean | None]]  # task -> metric
    difference: Mean | None  # of the score from that of the reference, seed by seed
    delta: Mean | None  # Delta-m against single-task networks, seed by seed; above 0 is better
    rank: float | None  # mean over the tasks of the rank among the variants, 1 is best
    count: int  # of seeds


class Comparison(NamedTuple):
    """All figures of a comparison. Lists have one entry for each variant."""

    results: Sequence[Result]
    variants: Sequence[Variant]
    tasks: Sequence[Task]  # of all variants
    references: Sequence[Variant]  # what differences and ratios are relative to
    reference: str  # the same in words
    validation: Sequence[Summary]
    test: Sequence[Summary] | None  # None without an evaluation on test
    costs: Sequence[costs.Cost]


def make(results: Sequence[Result]) -> Comparison:
    """Return the Comparison of the results of a grid."""
    variants = variants_lib.of_results(results)
    tested = any(result.test for result in results)
    linear = [variants_lib.twin(each, REFERENCE, variants) for each in variants]
    references = linear if all(linear) else [variants[0]] * len(variants)
    others = len({each.label for each in references}) > 1
    name = references[0].label if not others else f"{REFERENCE} with the same other flags"
    return Comparison(
        results,
        variants,
        _all_tasks(variants),
        references,
        name,
        _summaries(variants, references, best),
        _summaries(variants, references, on_test) if tested else None,
        [costs.cost(*pair) for pair in zip(variants, references)],
    )


def best(result: Result) -> Evaluation | None:
    """Return the evaluation of the best weights of a run on validation."""
    return result.best


def on_test(result: Result) -> Evaluation | None:
    """Return the evaluation of the best weights of a run on test."""
    return result.test


def metric_of(task: Task) -> tuple[str, bool]:
    """Return the metric that compares a task, and whether a larger one is better.

    It is the score of the kind if that is a share, such as the accuracy. R2 may be near 0, so it
    has no relative difference; such a task is compared by its RMSE, or else by its loss.
    """
    kind = kinds.find(task.kind)
    if kind.METRICS[kind.SCORE].endswith("%"):
        return kind.SCORE, True
    return ("rmse" if "rmse" in kind.METRICS else "loss"), False


def score_spec(comparison: Comparison) -> tuple[str, str]:
    """Return the name and the format of the score that selects the best weights."""
    tasks, best_by = comparison.tasks, comparison.results[0].run.best_by
    name = "sequence accuracy" if is_numbers(tasks) else "score"
    if best_by:
        name = f"score of {best_by}"
    return name, ".2%" if by_task.score_is_share(tasks, best_by) else ".4f"


# -- the parts -------------------------------------------------------------------------------------


def _summaries(variants, references, pick):
    """Return a Summary of each variant; pick: the function that takes the evaluation of a split."""
    over_seeds = {each.pairs: each.over_seeds(pick) for each in variants}
    tasks = [_task_means(over_seeds[each.pairs].values()) for each in variants]
    ranks = _ranks(variants, tasks)
    found = []
    for index, (variant, reference) in enumerate(zip(variants, references)):
        ours = over_seeds[variant.pairs]
        single = variants_lib.twin(variant, SINGLE, variants)
        delta = None
        if single and single is not variant:
            delta = _delta(ours, over_seeds[single.pairs], _tasks_of(variant))
        difference = None
        if reference is not variant:
            difference = _difference(ours, over_seeds[reference.pairs])
        score = mean_of(each.score for each in ours.values())
        names = dict.fromkeys(name for each in ours.values() for name in each.totals)
        totals = {name: mean_of(each.totals[name] for each in ours.values()) for name in names}
        figures = difference, delta, ranks[index], len(ours)
        found.append(Summary(score, totals, tasks[index], *figures))
    return found


def _all_tasks(variants):
    """Return the tasks of all variants, in order, each name once."""
    found = {}
    for variant in variants:
        for task in _tasks_of(variant):
            found.setdefault(task.name, task)
    return list(found.values())


def _tasks_of(variant):
    return parse(variant.networks[0].settings[0].results[0].run.config.tasks)


def _task_means(evaluations):
    """Return task -> metric -> Mean over evaluations."""
    values = {}
    for each in evaluations:
        for task, metrics in each.tasks.items():
            for metric, value in metrics.items():
                values.setdefault(task, {}).setdefault(metric, []).append(value)
    means = {}
    for task, metrics in values.items():
        means[task] = {metric: mean_of(found) for metric, found in metrics.items()}
    return means


def _difference(ours, theirs):
    """Return the Mean of the differences of the scores, over the seeds of both."""
    found = []
    for seed in ours.keys() & theirs.keys():
        pair = ours[seed].score, theirs[seed].score
        if None not in pair:
            found.append(pair[0] - pair[1])
    return mean_of(found)


def _delta(ours, single, tasks):
    """Return Delta-m: the mean over the tasks of the relative differences, over the seeds of both.

    Source: Maninis et al. 2019, arXiv:1904.08918.
    """
    found = []
    for seed in ours.keys() & single.keys():
        differences = []
        for task in tasks:
            metric, larger = metric_of(task)
            pair = ours[seed].tasks[task.name][metric], single[seed].tasks[task.name][metric]
            differences.append(statistics.relative(*pair, larger_is_better=larger))
        if None not in differences:
            found.append(float(np.mean(differences)))
    return mean_of(found)


def _ranks(variants, tasks):
    """Return the mean rank of each variant over the tasks; single-task networks have none."""
    ranked = [None if variant.is_single else means for variant, means in zip(variants, tasks)]
    found = [[] for _ in variants]
    for task in _all_tasks(variants):
        metric, larger = metric_of(task)
        values = []
        for means in ranked:
            mean = (means or {}).get(task.name, {}).get(metric)
            values.append(mean.mean if mean else None)
        for ranks, rank in zip(found, statistics.ranks(values, larger_is_better=larger)):
            ranks.append(rank)
    return [None if None in ranks else float(np.mean(ranks)) for ranks in found]

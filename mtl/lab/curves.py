"""What a variant did during training: its score, the weights of its tasks, their gradients."""

import numpy as np

from mtl.lab.statistics import Mean, mean_of
from mtl.lab.variants import Pick, Variant


def at_step(step: int) -> Pick:
    """Return the function that picks the evaluation after a step."""

    def pick(result):
        found = [each for each in result.evaluations if each.step == step]
        return found[0] if found else None

    return pick


def scores(variant: Variant) -> list[tuple[int, Mean]]:
    """Return the mean score on validation at each step that all seeds have evaluated."""
    found = []
    for step in _steps(variant):
        mean = mean_of(each.score for each in variant.over_seeds(at_step(step)).values())
        if mean:
            found.append((step, mean))
    return found


def weights(variant: Variant) -> dict[str, list[tuple[int, float]]]:
    """Return each task's share of the sum of the weights at each step, the mean over the seeds.

    The sum is that of the absolute weights, because some objectives have negative ones.
    The weights of single-task networks are fixed, so they have none here.
    """
    found = {}
    for step in [] if variant.is_single else _steps(variant):
        shares = []
        for each in variant.over_seeds(at_step(step)).values():
            total = sum(abs(weight) for weight in each.weights.values())
            if total:
                shares.append({task: weight / total for task, weight in each.weights.items()})
        for task in shares[0] if shares else ():
            mean = np.mean([share[task] for share in shares if task in share])
            found.setdefault(task, []).append((step, float(mean)))
    return found


def monitored(variant: Variant, name: str) -> dict[str, float]:
    """Return the means over all evaluations and seeds of what a run reports about its gradients.

    Args:
      variant: the variant.
      name: "norms" or "cosines", see results.Evaluation.
    """
    values = {}
    for result in [] if variant.is_single else variant.chosen:
        for each in result.evaluations:
            for key, value in getattr(each, name).items():
                values.setdefault(key, []).append(value)
    return {key: float(np.mean(found)) for key, found in values.items()}


def _steps(variant):
    """Return the steps that all runs of the chosen settings have evaluated."""
    alive = [result for result in variant.chosen if not result.error]
    steps = [{each.step for each in result.evaluations} for result in alive]
    return sorted(set.intersection(*steps)) if steps else []

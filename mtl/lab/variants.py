"""The variants of a comparison: which setting validation chooses, and its results over seeds."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mtl.lab import statistics
from mtl.lab.grid import SEED, SINGLE, Pairs, label
from mtl.lab.objectives import OPTIONAL
from mtl.lab.results import Evaluation, Result
from mtl.lab.statistics import Mean

Pick = Callable[[Result], Evaluation | None]


class Setting(NamedTuple):
    """The runs that differ only in their seed."""

    pairs: Pairs  # of the flags that validation chooses
    results: Sequence[Result]  # one for each seed

    @property
    def choosing(self) -> list[Result]:
        """The results by which validation chooses."""
        return [result for result in self.results if result.run.chooses]

    @property
    def score(self) -> Mean | None:
        """The mean score on validation of the choosing runs that have a result."""
        return statistics.mean_of(one.best.score for one in self.choosing if not one.error)

    @property
    def is_complete(self) -> bool:
        """Whether all choosing runs have a result."""
        return not any(one.error for one in self.choosing)


class Network(NamedTuple):
    """The settings of a network, and the one that validation chooses."""

    task: str  # the only task that it learns, or "" for all
    settings: Sequence[Setting]

    @property
    def chosen(self) -> Setting | None:
        """The setting of the highest mean score; None without a score.

        A setting with a failed run is chosen only if no setting is complete: the mean of the seeds
        that survived would be too high.
        """
        scored = [each for each in self.settings if each.score]
        return max(scored, key=lambda each: (each.is_complete, each.score.mean), default=None)


class Variant(NamedTuple):
    """What the page compares. Single-task networks are one network for each task."""

    pairs: Pairs
    networks: Sequence[Network]

    @property
    def label(self) -> str:
        """The flags and their values in words."""
        return label(self.pairs)

    @property
    def is_single(self) -> bool:
        """Whether each task has a network of its own."""
        return dict(self.pairs).get("objective") == SINGLE

    @property
    def chosen(self) -> list[Result]:
        """The results of the chosen settings, of all networks."""
        settings = [network.chosen for network in self.networks]
        return [result for setting in settings if setting for result in setting.results]

    def over_seeds(self, pick: Pick) -> dict[int, Evaluation]:
        """Return an evaluation for each seed for which all networks have one, by seed.

        Args:
          pick: function that takes it from a Result without an error.
        """
        by_seed = {}
        for result in self.chosen:
            found = None if result.error else pick(result)
            if found:
                by_seed.setdefault(getattr(result.run.config, SEED), []).append((result, found))
        complete = {seed: pairs for seed, pairs in by_seed.items() if _is_whole(self, pairs)}
        return {seed: _merged(self, pairs) for seed, pairs in sorted(complete.items())}


def of_results(results: Sequence[Result]) -> list[Variant]:
    """Group results into variants, in order."""
    variants = {}
    for result in results:
        networks = variants.setdefault(result.run.variant, {})
        settings = networks.setdefault(result.run.task, {})
        settings.setdefault(result.run.setting, []).append(result)
    found = []
    for pairs, networks in variants.items():
        of_variant = []
        for task, settings in networks.items():
            of_variant.append(Network(task, [Setting(*each) for each in settings.items()]))
        found.append(Variant(pairs, of_variant))
    return found


def without_needless(results: Sequence[Result]) -> list[Result]:
    """Return the results without the runs that neither choose nor belong to a chosen setting."""
    chosen = {id(each) for variant in of_results(results) for each in variant.chosen}
    return [each for each in results if each.run.chooses or id(each) in chosen]


def twin(variant: Variant, objective: str, variants: Sequence[Variant]) -> Variant | None:
    """Return the variant with another objective and otherwise the same flags; None without one."""
    wanted = _others(variant)
    for other in variants:
        if dict(other.pairs).get("objective") == objective and _others(other) == wanted:
            return other
    return None


def _others(variant):
    """Return the flags of a variant without its objective and what only some objectives use."""
    return [pair for pair in variant.pairs if pair[0] not in ("objective", *OPTIONAL)]


def _is_whole(variant, pairs):
    return len(pairs) == len(variant.networks)


def _merged(variant, pairs):
    """Return the Evaluation of a variant for one seed; pairs: (Result, Evaluation) each."""
    if not variant.is_single:
        return pairs[0][1]
    tasks = {result.run.task: found.tasks[result.run.task] for result, found in pairs}
    scores = {result.run.task: found.score for result, found in pairs}
    first = pairs[0][0].run
    score = None
    if first.best_by:
        score = scores.get(first.best_by)
    elif not first.config.is_numbers and None not in scores.values():
        # The sequence accuracy of six networks would need their joint predictions.
        score = float(np.mean(list(scores.values())))
    step = max(found.step for _, found in pairs)
    return Evaluation(step, score, {"score": score}, tasks, {}, None, {}, {})

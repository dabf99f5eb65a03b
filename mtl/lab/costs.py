"""What a step of a variant costs: time and memory, and how often a task was at the floor."""

from typing import NamedTuple

from mtl.lab import results as results_lib
from mtl.lab.statistics import Mean, mean_of
from mtl.lab.variants import Variant


class Cost(NamedTuple):
    """The cost of a variant. A value is None if no run has it."""

    seconds: Mean | None  # of a step; of single-task networks the sum over the networks
    ratio: float | None  # of the seconds to those of the reference
    memory: float | None  # the most resident MB of a process
    memory_ratio: float | None
    floor: Mean | None  # share of the steps with a task at the floor of the clip


def cost(variant: Variant, reference: Variant) -> Cost:
    """Return the Cost of a variant, relative to a reference."""
    seconds, memory = _seconds(variant), _memory(variant)
    base, base_memory = _seconds(reference), _memory(reference)
    return Cost(
        seconds,
        seconds.mean / base.mean if seconds and base else None,
        memory,
        memory / base_memory if memory and base_memory else None,
        mean_of(results_lib.floor_of(each) for each in variant.chosen if not each.error),
    )


def _seconds(variant):
    """Return the Mean over the seeds of the seconds of a step, summed over the networks."""
    by_seed = {}
    for result in variant.chosen:
        if result.seconds is not None and not result.error:
            by_seed.setdefault(result.run.config.seed, []).append(result.seconds)
    count = len(variant.networks)
    return mean_of(sum(found) for found in by_seed.values() if len(found) == count)


def _memory(variant):
    """Return the most resident MB of a process of the chosen settings."""
    found = [result.ended.memory for result in variant.chosen if not result.error]
    return max(filter(None, found), default=None)

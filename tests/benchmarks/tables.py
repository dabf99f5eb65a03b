"""Print measurements as Markdown tables, and write them as CSV."""

import csv

import numpy as np

_writer = None


def write_to(file):
    """Also write every measured value into an open text file, one on each line."""
    global _writer
    _writer = csv.writer(file, lineterminator="\n")
    _writer.writerow(["benchmark", "case", "side", "round", "value", "unit"])


def record(benchmark, case, side, values, unit):
    """Write the values of all rounds to the CSV file, if there is one."""
    if _writer:
        for number, value in enumerate(values, start=1):
            _writer.writerow([benchmark, case, side, number, f"{value:.6g}", unit])


def table(head, rows):
    """Print a table; a row appears as soon as the iterable `rows` yields it."""
    print(f"| {' | '.join(head)} |")
    print(f"|---|{'---:|' * (len(head) - 1)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    print(flush=True)


def rates(benchmark, case, seconds, images, extra=None):
    """Print the speed of each side, and how much faster the first side is than each other.

    Args:
      benchmark, case: str, for the CSV file.
      seconds: dict side -> list of seconds, one for each round.
      images: int, images in a turn.
      extra: (heading, dict side -> str), a further column, or None.

    Returns:
      The fastest of the other sides (str), and the ratio of the first to it (float).
    """
    rate = {side: images / np.array(values) for side, values in seconds.items()}
    first, *others = rate
    rows = []
    for side, values in rate.items():
        record(benchmark, case, side, values, "images/s")
        row = [side, *_spread(values), *_ratios(rate[first], values, side == first)]
        rows.append(row + [extra[1][side]] if extra else row)
    head = ["", "images/s, median", "quartiles"]
    head += [f"{first} is faster by, median of rounds", "by medians"]
    table(head + [extra[0]] if extra else head, rows)
    fastest = max(others, key=lambda side: np.median(rate[side]))
    return fastest, float(np.median(rate[first] / rate[fastest]))


def _spread(values):
    low, median, high = np.percentile(values, [25, 50, 75])
    return [f"{median:.0f}", f"{low:.0f} .. {high:.0f}"]


def _ratios(first, values, same):
    """Return the ratio of rates round by round, and that of the medians."""
    if same:
        return ["-", "-"]
    # Within a round, whatever slowed the machine slowed both.
    return [f"{np.median(first / values):.2f}", f"{np.median(first) / np.median(values):.2f}"]

"""What the benchmarks print, as Markdown, and write, as CSV."""

import csv

import numpy as np

_writer = None


def write_to(file):
    """Write every value that is measured into an open text file, too, one a line."""
    global _writer
    _writer = csv.writer(file, lineterminator="\n")
    _writer.writerow(["benchmark", "case", "side", "round", "value", "unit"])


def record(benchmark, case, side, values, unit):
    """Note what was measured, round after round, in the CSV file if there is one."""
    for number, value in enumerate(values, start=1):
        if _writer:
            _writer.writerow([benchmark, case, side, number, f"{value:.6g}", unit])


def table(head, rows):
    """Print a Markdown table, each row as soon as `rows` gives it: the first column to the left, all others to the right."""
    print(f"| {' | '.join(head)} |")
    print(f"|---|{'---:|' * (len(head) - 1)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    print(flush=True)


def rates(benchmark, case, seconds, images, extra=None):
    """Print how fast each side was, and how much faster than each of the others the first one was.

    Args:
      benchmark: str, for the CSV file.
      case: str, the same.
      seconds: dict side -> list of seconds, one a round; the first is the one whose ratios are of interest.
      images: int, images of one turn.
      extra: (heading, dict side -> str), one more column, or None.

    Returns:
      (str, float), the fastest of the others and the ratio of the first to it.
    """
    rate = {side: images / np.array(values) for side, values in seconds.items()}
    first, *others = rate
    rows = []
    for side, values in rate.items():
        record(benchmark, case, side, values, "images/s")
        low, median, high = np.percentile(values, [25, 50, 75])
        ratios = rate[first] / values  # round by round: what slowed the machine slowed both
        ratio = (
            ["-", "-"]
            if side == first
            else [f"{np.median(ratios):.2f}", f"{np.median(rate[first]) / median:.2f}"]
        )
        more = [extra[1][side]] if extra else []
        rows.append([side, f"{median:.0f}", f"{low:.0f} .. {high:.0f}", *ratio, *more])
    head = [
        "",
        "images/s, median",
        "quartiles",
        f"{first} is faster by, median of rounds",
        "by medians",
        *([extra[0]] if extra else []),
    ]
    table(head, rows)
    fastest = max(others, key=lambda side: np.median(rate[side]))
    return fastest, float(np.median(rate[first] / rate[fastest]))

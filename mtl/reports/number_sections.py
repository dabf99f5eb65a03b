"""What only the page of decoded numbers has: its header and the HTML of its sections."""

from mtl import tasks
from mtl.evaluation import metrics
from mtl.reports.page import formatted, table
from mtl.reports.sections import mistake_images, plot, values

ERRORS, MISTAKES = "Confusion", "Most confident mistakes"  # headings
REMARK = (
    "X means no digit, or more "
    f"than {tasks.DIGITS} digits for a length. The decoded length is the length of the "
    "predicted number."
)


# -- header ----------------------------------------------------------------------------------------


def lead(report):
    """Return the sequence accuracy in large type."""
    count = report.metrics["examples"]
    correct = sum(row["correct"] for row in report.numbers.lengths)
    low, high = metrics.interval(correct, count)
    text = f"sequence accuracy: {correct:,} of {count:,} numbers have the correct length and digits"
    interval = f"95% interval {low:.2%} to {high:.2%} (Wilson)"
    return f"<strong>{correct / count:.2%}</strong> <span>{text}<br><b>{interval}</b></span>"


def facts(report):
    """Return the other metrics, dict name -> HTML."""
    head = report.metrics
    return {
        "character accuracy": formatted(head["character_accuracy"], ".2%"),
        "coverage at 98%": formatted(head["coverage_at_98"], ".2%"),
        "calibration error": formatted(report.numbers.calibration_error, ".3f"),
        "cost on hard labels": formatted(head["cost"], ".4f"),
        "wrong numbers": f"{len(report.mistakes):,}",
    }


# -- sections --------------------------------------------------------------------------------------


def only(report, plots):
    """Return the sections that follow the tasks, as (id, heading, HTML)."""
    return [
        ("lengths", "Accuracy by length", by_length(report, plots)),
        ("confidence", "Accuracy and coverage", by_confidence(report, plots)),
        ("reliability", "Confidence and accuracy", reliability(report, plots)),
    ]


def per_task(report):
    """Return the table of the tasks."""
    result = report.metrics
    rows = []
    for name, accuracy in result["task_accuracy"].items():
        rows.append((name, accuracy, result["task_cross_entropy"][name]))
    text = (
        "The accuracy of the most likely class of each task alone. The predicted number may have "
        "other classes, because it is the most likely number given all six tasks."
    )
    columns = {"task": "", "accuracy": ".2%", "cross entropy, nats": ".4f"}
    return f"<p>{text}</p>\n{table(columns, rows, 'Accuracy and cross entropy of each task')}"


def by_length(report, plots):
    """Return the plot and the table of the accuracy by true length."""
    columns = {
        "true length": "",
        "examples": ",d",
        "correct": ",d",
        "accuracy": ".2%",
        "from": ".2%",
        "to": ".2%",
        "mean confidence": ".3f",
        "most frequent wrong length": "",
        "times": ",d",
    }
    caption = "Sequence accuracy by true length, with its 95% interval (from, to)"
    text = (
        f"X is more than {tasks.DIGITS} digits. Such a number is correct if it is predicted as X."
    )
    drawn = plot(plots, "accuracy_by_length", "Accuracy by length, with 95% intervals")
    return f"<p>{text}</p>\n{drawn}\n{table(columns, values(report.numbers.lengths), caption)}"


def by_confidence(report, plots):
    """Return the plot and the table of accuracy against coverage."""
    at_98 = report.metrics["coverage_at_98"]
    if at_98:
        reached = f"98% of the answers are correct at {at_98:.2%} coverage"
    else:
        reached = "no coverage reaches 98% correct answers"
    columns = {
        "confidence at least": ".4f",
        "answered": ",d",
        "correct": ",d",
        "coverage": ".2%",
        "accuracy": ".2%",
    }
    rows = values(_tenths(report.numbers.coverage, at_98))
    shown = table(columns, rows, "Accuracy of the answers at about each tenth of the coverage")
    text = (
        "Numbers below a confidence threshold get no answer. Coverage is the share of numbers that "
        f"are answered. Here {reached}."
    )
    drawn = plot(plots, "coverage", f"Accuracy against coverage: {reached}")
    return f"<p>{text}</p>\n{drawn}\n{shown}"


def _tenths(rows, at_98):
    """Return the first row to reach each tenth of the coverage, and the last at 98% accuracy."""
    shown, reached = [], 0
    for row in rows:
        tenth = int(10 * row["coverage"] + 1e-9)
        if tenth > reached or row["coverage"] == at_98:
            shown.append(row)
            reached = tenth
    return shown


def reliability(report, plots):
    """Return the plot and the table of accuracy against confidence."""
    columns = {
        "confidence from": ".1f",
        "below": ".1f",
        "examples": ",d",
        "correct": ",d",
        "mean confidence": ".3f",
        "accuracy": ".3f",
    }
    error = formatted(report.numbers.calibration_error, ".3f")
    used, best = report.numbers.temperatures
    text = (
        "The confidence of a calibrated network is the share of correct numbers: of the numbers "
        "with a confidence of about 0.8, 80% are correct. The expected calibration error is the "
        "mean difference between accuracy and mean confidence over the bins, weighted by their "
        f"examples. Here it is {error}, at temperature {used:g}. The temperature divides the log "
        "probabilities of each task; the run fits it on its validation examples. On the examples "
        f"of this report, {best:g} would fit best."
    )
    caption = "Accuracy in ten bins of the confidence"
    drawn = plot(plots, "reliability", "Accuracy against confidence, in ten bins")
    return f"<p>{text}</p>\n{drawn}\n{table(columns, values(report.numbers.reliability), caption)}"


def mistakes(report, images):
    """Return the images of the first mistakes; images: list of data: URIs."""
    if not report.mistakes:
        what = "mistakes" if report.metrics["examples"] else "examples"
        return f"<p>There are no {what}.</p>"
    count = len(report.mistakes)
    shown = f"All {count:,}"
    if len(images) < count:
        shown = f"The {len(images)} most confident of {count:,}"
    text = (
        f"{shown} wrong numbers, the most confident first. "
        '<a href="mistakes.csv">mistakes.csv</a> lists all.'
    )
    rows = [report.mistakes[i] for i in report.shown]
    return f"<p>{text}</p>\n{mistake_images(rows, images)}"

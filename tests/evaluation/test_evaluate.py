"""mtl.evaluation.evaluate with a network of a few lines of NumPy."""

import json
import math

import numpy as np
import pytest

from mtl import config, tasks
from mtl.data.examples import Examples
from mtl.evaluation import evaluate
from mtl.inference import reading

KEYS = [
    "examples",
    "sequence_accuracy",
    "character_accuracy",
    "coverage_at_98",
    "cost",
    "task_accuracy",
    "task_cross_entropy",
]
NUMBERS = ["210", "", "7", "54321", "1234567", "80", "99", "4040", "1", "31415", "6"]


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(
        0, 256, (n, config.WINDOW, config.WINDOW, 3), dtype=np.uint8
    )


def examples_of(numbers, seed=0):
    return Examples(
        pictures(len(numbers), seed), list(numbers), [f"{i}.png" for i in range(len(numbers))]
    )


def linear_network(images):
    """Outputs that depend on the pixels of each crop alone."""
    pixels = images[:, ::9, ::9, 1].reshape(len(images), -1) / 255.0
    out = {}
    for task in tasks.NUMBER_TASKS:
        logits = pixels @ np.random.default_rng(task.name.encode()[-1]).normal(
            size=(pixels.shape[1], task.classes)
        )
        out[task.name] = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(
            np.float32
        )
    return out


def oracle(numbers, wrong=(), probability=0.9):
    """A network that knows the answers by heart, but for the rows in `wrong`, where it reads "3"; in the order of the examples."""
    calls = {"row": 0, "shapes": []}

    def predict(images):
        rows = range(calls["row"], calls["row"] + len(images))
        calls["row"] += len(images)
        calls["shapes"].append(images.shape)
        out = {}
        for task in tasks.NUMBER_TASKS:
            p = np.full((len(images), task.classes), (1 - probability) / (task.classes - 1))
            for i, row in enumerate(rows):
                p[i, tasks.encode("3" if row in wrong else numbers[row])[task.name]] = probability
            with np.errstate(divide="ignore"):
                out[task.name] = np.log(p).astype(np.float32)
        return out

    return predict, calls


def log_sum(means):
    return sum(math.log(mean) for mean in means.values())


def plain_sum(means):
    return sum(means.values())


def test_a_network_that_knows_everything():
    predict, calls = oracle(NUMBERS)
    result = evaluate.evaluate(predict, examples_of(NUMBERS), plain_sum, batch=4)
    assert list(result) == KEYS
    assert result["examples"] == 11
    assert (
        result["sequence_accuracy"]
        == result["character_accuracy"]
        == result["coverage_at_98"]
        == 1.0
    )
    assert result["task_accuracy"] == {task.name: 1.0 for task in tasks.NUMBER_TASKS}
    assert result["task_cross_entropy"] == pytest.approx(
        {task.name: -math.log(0.9) for task in tasks.NUMBER_TASKS}, rel=1e-6
    )
    assert result["cost"] == pytest.approx(-6 * math.log(0.9), rel=1e-6)
    assert calls["shapes"] == [(4, 54, 54, 3), (4, 54, 54, 3), (3, 54, 54, 3)]


def test_two_mistakes():
    result = evaluate.evaluate(oracle(NUMBERS, wrong={0, 4})[0], examples_of(NUMBERS), log_sum)
    assert result["sequence_accuracy"] == pytest.approx(9 / 11)
    digits = sum(len(number) for number in NUMBERS if len(number) <= 5)
    assert result["character_accuracy"] == pytest.approx(
        (digits - 3) / digits
    )  # "3" has no digit of "210"; "1234567" is left out
    assert result["task_accuracy"]["length"] == pytest.approx(9 / 11)
    assert result["task_accuracy"]["digit2"] == pytest.approx(9 / 11)
    assert result["task_accuracy"]["digit4"] == pytest.approx(
        10 / 11
    )  # "3" and "210" both have no fourth digit
    # "" is the surest, at 0.9, and so on by length; the wrong "3"s tie with the right numbers of one digit.
    assert result["coverage_at_98"] == pytest.approx(1 / 11)
    wrong, sure = math.log(0.1 / 6), math.log(0.9)
    assert result["task_cross_entropy"]["length"] == pytest.approx(
        -(2 * wrong + 9 * sure) / 11, rel=1e-6
    )
    assert result["cost"] == pytest.approx(log_sum(result["task_cross_entropy"]), rel=1e-9)


def test_cross_entropies_against_a_loop_and_whatever_the_batch():
    examples = examples_of(NUMBERS, seed=3)
    results = [
        evaluate.evaluate(linear_network, examples, log_sum, batch=batch)
        for batch in (1, 3, 11, 256)
    ]
    log_probs = linear_network(
        examples.images[:, 5:59, 5:59]
    )  # the centre of 64 pixels: 5 before, 54, 5 after
    for result in results:
        for task in tasks.NUMBER_TASKS:
            loop = [
                -float(log_probs[task.name][row, tasks.encode(number)[task.name]])
                for row, number in enumerate(NUMBERS)
            ]
            assert result["task_cross_entropy"][task.name] == pytest.approx(
                math.fsum(loop) / 11, rel=1e-6
            )
        assert result["cost"] == pytest.approx(results[0]["cost"], rel=1e-6)
        assert result["sequence_accuracy"] == results[0]["sequence_accuracy"]
        assert result["task_accuracy"] == results[0]["task_accuracy"]


def test_read_keeps_the_order_and_tells_its_progress():
    images, seen = pictures(7), []
    log_probs = reading.read(
        linear_network, images, batch=3, progress=lambda done, n: seen.append((done, n))
    )
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert list(log_probs) == [task.name for task in tasks.NUMBER_TASKS]
    whole = linear_network(images[:, 5:59, 5:59])
    for name, rows in log_probs.items():
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, whole[name], rtol=1e-5)


@pytest.mark.parametrize(
    "images",
    [pictures(11) / 255.0, pictures(0) / 255.0, pictures(11)[0], list(pictures(11)), None],
)
def test_images_of_another_type_or_shape_are_refused_before_the_network_runs(images):
    def never(images):
        raise AssertionError("the images are not for the network")

    with pytest.raises(ValueError, match=r"^images must be uint8 \[n, height, width, 3\] .*, got "):
        reading.read(never, images)
    with pytest.raises(ValueError, match=r"^images must be uint8 \[n, height, width, 3\] .*, got "):
        evaluate.evaluate(never, examples_of(NUMBERS)._replace(images=images), plain_sum)


def test_nothing_to_evaluate_is_null_everywhere():
    def never(images):
        raise AssertionError("there is nothing to predict")

    result = evaluate.evaluate(never, examples_of([]), never)
    assert result == {
        "examples": 0, "sequence_accuracy": None, "character_accuracy": None, "coverage_at_98": None, "cost": None,
        "task_accuracy": {task.name: None for task in tasks.NUMBER_TASKS},
        "task_cross_entropy": {task.name: None for task in tasks.NUMBER_TASKS},
    }  # fmt: skip
    json.dumps(result, allow_nan=False)
    assert evaluate.text(result).count("-") >= 5


def test_with_a_mask_each_digit_is_measured_where_it_is_there():
    numbers = ["210", "7", "85", "31"]
    log_probs = reading.read(oracle(numbers, wrong={2})[0], pictures(4))
    for task in tasks.DIGIT_TASKS:
        log_probs[task.name][:, tasks.DIGIT_X] = -1e9  # what a masked network says of X
    asked = []
    result = evaluate.measure(
        log_probs, numbers, lambda means: asked.append(means) or 5.0, absent="mask"
    )
    known, missed = -math.log(np.float32(0.9)), -math.log(np.float32(0.1) / 10)
    assert result["task_cross_entropy"]["digit1"] == pytest.approx(
        (3 * known + missed) / 4, rel=1e-5
    )
    assert result["task_cross_entropy"]["digit3"] == pytest.approx(known, rel=1e-5)
    # Where "3" was read of "85", the masked network knows no X: the second digit is one of the nine others.
    assert result["task_accuracy"] == {
        "length": 0.75,
        "digit1": 0.75,
        "digit2": 2 / 3,
        "digit3": 1.0,
        "digit4": None,
        "digit5": None,
    }
    assert result["task_cross_entropy"]["digit4"] is None and result["cost"] == 5.0
    assert math.isnan(asked[0]["digit5"]) and not math.isnan(asked[0]["digit3"])
    json.dumps(result, allow_nan=False)


def test_infinite_and_nan_outputs_give_null_in_strict_json():
    examples = examples_of(["12", "3"])

    def broken(value, task):
        def predict(images):
            out = oracle(examples.numbers)[0](images)
            out[task][:] = value
            return out

        return predict

    infinite = evaluate.evaluate(broken(-np.inf, "digit4"), examples, plain_sum)
    assert infinite["task_cross_entropy"]["digit4"] is None and infinite["cost"] is None
    assert infinite["task_cross_entropy"]["digit1"] > 0 and infinite["sequence_accuracy"] == 1.0
    nan = evaluate.evaluate(
        broken(np.nan, "digit1"), examples, lambda means: -1.0
    )  # an objective that swallows NaN is not believed
    assert nan["task_cross_entropy"]["digit1"] is None and nan["cost"] is None
    for result in (infinite, nan):
        assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_values_are_plain_python():
    result = evaluate.evaluate(linear_network, examples_of(NUMBERS), log_sum)
    flat = [result[key] for key in KEYS[1:5]] + list(result["task_accuracy"].values())
    assert all(type(value) is float for value in flat) and type(result["examples"]) is int


def test_a_cross_entropy_of_zero_is_not_minus_zero():
    result = evaluate.evaluate(oracle(["5"], probability=1.0)[0], examples_of(["5"]), plain_sum)
    assert [str(value) for value in result["task_cross_entropy"].values()] == ["0.0"] * 6


def test_text_shows_every_number_and_the_interval():
    result = evaluate.evaluate(oracle(NUMBERS, wrong={0, 4})[0], examples_of(NUMBERS), plain_sum)
    shown = evaluate.text(result)
    assert "81.82%  (95% interval 52.30% to 94.86%)" in shown  # Wilson of 9 of 11
    assert f"{result['character_accuracy']:.2%}" in shown and f"{result['cost']:.4f}" in shown
    for name, mean in result["task_cross_entropy"].items():
        line = next(line for line in shown.splitlines() if line.startswith(name))
        assert f"{mean:.4f}" in line and f"{result['task_accuracy'][name]:.2%}" in line
    assert not shown.endswith("\n")

"""Variants: the setting that validation chooses, and the results of its seeds."""

from mtl.lab import variants
from mtl.lab.summary import best
from tests.lab import made


def results_of(scores, failed=(), choosing=0):
    """Return the results of a grid of learning rates, dict rate -> scores over seeds."""
    count = len(next(iter(scores.values())))
    values = {"objective": ["linear"], "learning_rate": list(scores), "seed": list(range(count))}
    found = []
    for run in made.runs(values, choosing=choosing):
        score = scores[run.config.learning_rate][run.config.seed]
        ended = (
            made.DIVERGED if (run.config.learning_rate, run.config.seed) in failed else made.DONE
        )
        found.append(made.result(run, made.evaluation(4, score, score, 1.0), ended=ended))
    return found


def of_scores(*arguments, **options):
    """Return the only variant of a grid; arguments as `results_of`."""
    (variant,) = variants.of_results(results_of(*arguments, **options))
    return variant


def chosen_rate(variant):
    return dict(variant.networks[0].chosen.pairs)["learning_rate"]


def test_validation_chooses_the_highest_mean_over_the_seeds():
    variant = of_scores({0.1: [0.5, 0.7], 0.2: [0.9, 0.2], 0.3: [0.6, 0.6]})
    assert chosen_rate(variant) == 0.1  # 0.6, the first of equals
    assert [each.best.score for each in variant.chosen] == [0.5, 0.7]


def test_a_setting_with_a_failed_seed_is_not_chosen_while_another_is_complete():
    scores = {0.1: [0.9, 0.9], 0.2: [0.5, 0.5]}
    variant = of_scores(scores, failed=[(0.1, 1)])
    assert chosen_rate(variant) == 0.2
    variant = of_scores(scores, failed=[(0.1, 1), (0.2, 0)])
    assert chosen_rate(variant) == 0.1
    assert list(variant.over_seeds(best)) == [0]


def test_only_the_first_seeds_choose():
    scores = {0.1: [0.5, 0.6, 0.9], 0.2: [0.8, 0.7, 0.1]}
    assert chosen_rate(of_scores(scores)) == 0.1
    variant = of_scores(scores, choosing=2)
    assert chosen_rate(variant) == 0.2
    assert variant.networks[0].chosen.score.mean == 0.75
    # All seeds of the chosen setting count.
    assert [each.score for each in variant.over_seeds(best).values()] == [0.8, 0.7, 0.1]
    # A seed that does not choose may fail.
    assert chosen_rate(of_scores(scores, failed=[(0.2, 2)], choosing=2)) == 0.2


def test_other_seeds_of_other_settings_are_needless():
    found = variants.without_needless(results_of({0.1: [0.5, 0.9], 0.2: [0.8, 0.1]}, choosing=1))
    runs = [(each.run.config.learning_rate, each.run.config.seed) for each in found]
    assert runs == [(0.1, 0), (0.2, 0), (0.2, 1)]


def test_without_any_result_nothing_is_chosen():
    variant = of_scores({0.1: [0.9]}, failed=[(0.1, 0)])
    assert variant.networks[0].chosen is None
    assert variant.chosen == [] and variant.over_seeds(best) == {}


def single(scores, best_by=""):
    """Return the variant of single-task networks; scores: dict task -> scores over seeds."""
    found = []
    for run in made.runs({"objective": ["single"], "seed": [0, 1]}, best_by=best_by):
        score = scores[run.task][run.config.seed]
        ended = made.DONE if score else made.DIVERGED
        found.append(made.result(run, made.evaluation(4, score, score, 3.0), ended=ended))
    (variant,) = variants.of_results(found)
    return variant


def test_single_task_networks_are_one_variant_with_the_task_of_each():
    variant = single({"a": [0.25, 0.5], "h": [0.75, 1.0]})
    assert variant.is_single and [each.task for each in variant.networks] == ["a", "h"]
    found = variant.over_seeds(best)
    assert [each.score for each in found.values()] == [0.5, 0.75]
    assert found[0].tasks["a"]["accuracy"] == 0.25 and found[1].tasks["h"]["rmse"] == 3.0


def test_a_seed_counts_only_if_all_single_task_networks_have_it():
    assert list(single({"a": [0.25, 0.5], "h": [None, 1.0]}).over_seeds(best)) == [1]


def test_single_task_networks_have_the_score_that_best_by_names():
    found = single({"a": [0.25, 0.5], "h": [0.75, 1.0]}, best_by="h").over_seeds(best)
    assert [each.score for each in found.values()] == [0.75, 1.0]


def test_single_task_networks_of_numbers_have_no_sequence_accuracy():
    found = []
    runs = made.runs({"objective": ["single"]}, tasks="numbers", dataset="synthetic", data_dir="")
    for run in runs:
        tasks = {run.task: {"accuracy": 0.5, "loss": 1.0}}
        evaluation = made.evaluation(4, 0.5, 0.5, 1.0)._replace(tasks=tasks)
        found.append(made.result(run, evaluation))
    (variant,) = variants.of_results(found)
    (evaluation,) = variant.over_seeds(best).values()
    assert evaluation.score is None and len(evaluation.tasks) == 6


def test_twin_differs_only_in_the_objective_and_its_settings():
    values = {
        "objective": ["linear", "log_sum"],
        "clip_min": [1e-37, 1e-6],
        "label_smoothing": [0.0, 0.2],
    }
    found = [made.result(run, made.evaluation(4, 0.5, 0.5, 1.0)) for run in made.runs(values)]
    grouped = variants.of_results(found)
    assert len(grouped) == 6
    for variant in grouped:
        other = variants.twin(variant, "linear", grouped)
        assert dict(other.pairs)["objective"] == "linear"
        smoothing = dict(variant.pairs)["label_smoothing"]
        assert dict(other.pairs)["label_smoothing"] == smoothing
    assert variants.twin(grouped[0], "geometric", grouped) is None

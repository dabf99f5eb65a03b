"""table: features without the worst values, and labels that follow from them."""

import numpy as np
import pytest
from sklearn import datasets

from mtl.examples import table

LABELS = ["diagnosis", "concave", "texture", "radius"]


@pytest.fixture(scope="module")
def found():
    return table.splits()


def test_features_are_the_means_and_the_standard_errors(found):
    for columns in found.values():
        names = list(columns)
        assert len(names) == 24 and names[20:] == LABELS
        assert all(name.startswith("mean_") for name in names[:10])
        assert all(name.endswith("_error") for name in names[10:20])


def test_every_tumour_is_in_one_split_with_its_labels(found):
    bunch = datasets.load_breast_cancer()
    expected = {}
    for values, target in zip(bunch.data, bunch.target):
        expected[tuple(values[:20])] = (1 - target, values[20])
    seen = 0
    for columns in found.values():
        for row in zip(*columns.values()):
            malignant, radius = expected[tuple(map(float, row[:20]))]
            assert row[20] in ("", str(malignant))
            assert float(row[23]) == radius
            seen += 1
    assert seen == len(expected) == 569


def test_diagnoses_are_left_out_in_train_only(found):
    labelled = {name: sum(map(bool, columns["diagnosis"])) for name, columns in found.items()}
    assert labelled == {"train": 85, "validation": 115, "test": 113}
    assert set(found["train"]["diagnosis"]) == {"", "0", "1"}


@pytest.mark.parametrize("task, column", [("concave", 27), ("texture", 21)])
def test_classes_are_the_thirds_of_train(found, task, column):
    bunch = datasets.load_breast_cancer()
    worst = {tuple(values[:20]): values[column] for values in bunch.data}
    values, classes = {}, {}
    for name, columns in found.items():
        features = zip(*[columns[key] for key in list(columns)[:20]])
        values[name] = np.array([worst[tuple(map(float, row))] for row in features])
        classes[name] = np.array(columns[task], int)
    assert set(np.bincount(classes["train"])) <= {113, 114}
    for name in found:
        for each in (0, 1):
            highest = values["train"][classes["train"] == each].max()
            assert values[name][classes[name] > each].min() > highest

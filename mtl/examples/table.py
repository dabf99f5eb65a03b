"""table: 569 breast tumours, 20 measurements of cell nuclei, and four labels.

The data comes with scikit-learn: Street, Wolberg and Mangasarian 1993, "Nuclear feature extraction
for breast tumor diagnosis". For each of ten measurements it has the mean over the nuclei of an
image, the standard error, and the "worst" value, the mean of the three largest.

Features: the ten means and the ten standard errors. Labels, none of which is a feature:

    diagnosis    1 malignant, 0 benign; left out for three of four examples in train
    concave      the worst concave points: 0, 1 or 2, the lower, middle or upper third of train
    texture      the worst texture, 0, 1 or 2 as above
    radius       the worst radius, a real value in the unit of the data

The measurements are made by a program, and a diagnosis needs a physician. So the missing labels are
those that cost most in practice.
"""

import numpy as np

from mtl import examples

DATASET = "table"
TASKS = "diagnosis:2,concave:3,texture:3,radius:real"
BOTTOM = "mlp"
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
LABELLED = 0.25  # share of the examples in train that have a diagnosis
MEASURED = 20  # columns of means and standard errors; the worst values follow
THIRDS = {"concave": "worst concave points", "texture": "worst texture"}


def splits():
    """Return the splits, dict split -> dict name of a column -> list of strings."""
    bunch = examples.load("scikit-learn", "sklearn.datasets").load_breast_cancer()
    names = [str(name) for name in bunch.feature_names]
    columns = dict(zip(names, bunch.data.T))
    malignant = 1 - bunch.target  # scikit-learn's class 1 is benign
    rng = examples.generator(3)
    parts = examples.divide(malignant, SHARES, rng)
    labels = {"diagnosis": malignant}
    for task, worst in THIRDS.items():
        # Test decides nothing, not even what its own labels mean.
        edges = np.quantile(columns[worst][parts["train"]], [1 / 3, 2 / 3])
        labels[task] = np.digitize(columns[worst], edges)
    labels["radius"] = columns["worst radius"]
    features = {name.replace(" ", "_"): columns[name] for name in names[:MEASURED]}
    found = {}
    for name, part in parts.items():
        table = {**features, **labels}
        found[name] = {column: [str(each) for each in table[column][part]] for column in table}
    _leave_out(found["train"]["diagnosis"], rng)
    return found


def _leave_out(cells, rng):
    """Empty all but a share LABELLED of the cells, in place."""
    labelled = round(LABELLED * len(cells))
    for index in rng.permutation(len(cells))[labelled:]:
        cells[index] = ""

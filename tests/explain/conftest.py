"""Explained graphs that several tests share. Each is built once."""

import pytest

from mtl.config import Config
from mtl.inputs import Inputs

# Together they cover every choice that changes the graph.
CONFIGS = {
    "answer": Config(bottom="mlp", label_smoothing=0.0, schedule="constant", warmup_steps=0),
    "small": Config(bottom="small"),
    "masked": Config(
        bottom="base",
        absent="mask",
        precision="bf16",
        schedule="constant",
        warmup_steps=0,
        dropout=0.1,
    ),
    "linear": Config(
        bottom="mlp",
        objective="linear",
        absent="mask",
        on_nonfinite="skip",
        schedule="linear",
        dropout=0.2,
    ),
    "paper": Config(
        bottom="paper",
        objective="linear",
        on_nonfinite="skip",
        schedule="cosine",
        dropout=0.3,
    ),
    "own": Config(
        tasks="digit:10,height:real",
        dataset="npz",
        bottom="mlp",
        brightness="keep",
        top_units="7,5",
        top_dropout=0.2,
        optimizer="momentum",
        warmup_steps=3,
        clip_norm=1.0,
        weight_decay=0.01,
    ),
    "features": Config(
        tasks="cost:3,height:real,odd:2",
        dataset="npz",
        bottom="mlp",
        objective="linear",
        optimizer="sgd",
        schedule="constant",
        warmup_steps=0,
    ),
}
INPUTS = {
    "own": Inputs((10, 12, 1), 0),
    "features": Inputs((4,), 0, "float32", mean=(1.0,) * 4, std=(2.0,) * 4),
}
_EXPLAINED = {}
# Built once in each process, which still takes seconds.
GRAPHS = [pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS]


def explained(name):
    """Return the explained graph of one of CONFIGS."""
    from mtl.explain import lines

    if name not in _EXPLAINED:
        _EXPLAINED[name] = lines.explain(CONFIGS[name], inputs=INPUTS.get(name))
    return _EXPLAINED[name]


@pytest.fixture(params=GRAPHS)
def any_graph(request):
    """Each of CONFIGS, explained."""
    return explained(request.param)


@pytest.fixture
def graph_of():
    """A function name -> that one of CONFIGS, explained."""
    return explained


@pytest.fixture
def small():
    """The graph of flags/log_sum.flags, explained."""
    return explained("small")

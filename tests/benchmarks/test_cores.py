"""The benchmark of many cores marks what is slower; --isa limits every library."""

import os

import numpy as np
import pytest

from tests.benchmarks import cores, isa, layouts

RATES = {
    ("mtl", 2): np.array([100.0, 110.0, 120.0]),
    ("mtl", 4): np.array([200.0, 220.0, 230.0]),
    ("mtl", 8): np.array([180.0, 200.0, 210.0]),
}


def test_rates_below_those_of_fewer_threads_are_marked():
    cells = [cores._cell(RATES, "mtl", threads) for threads in (1, 2, 4, 8)]
    assert cells == ["", "110", "220", "200 `*`"]


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_layouts_start_with_the_rule_and_never_have_empty_towers(threads):
    found = layouts.every(threads, 4)
    assert list(found.values())[0] == layouts.rule(threads, 4)
    assert all(1 <= layout.towers <= 4 for layout in found.values())


def test_a_limit_keeps_other_xla_flags(monkeypatch):
    monkeypatch.setattr(isa.os, "environ", {"XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false"})
    isa.limit("avx2")
    flags = "--xla_cpu_use_fusion_emitters=false --xla_cpu_max_isa=AVX2"
    assert isa.os.environ == {**isa.LIMITS["avx2"], "XLA_FLAGS": flags}


def test_without_a_limit_nothing_is_set(monkeypatch):
    monkeypatch.setattr(isa.os, "environ", {})
    isa.limit(None)
    assert os.environ == {}

"""RESULTS.md: every benchmark has a section, and --write replaces one section only."""

import re

import pytest

from tests.benchmarks import __main__ as command, isa, results


def page():
    return results.PAGE.read_text(encoding="utf-8")


def test_every_benchmark_has_a_section():
    limited = {f"{name}_{limit}" for name in command.LIMITED for limit in isa.LIMITS}
    assert set(results.sections(page())) == {*command.DEFAULT, *command.ALONE, *limited}


def test_aims_quote_the_sections():
    aims = page().split("## Aims\n")[1].split("\n**")[0]
    measured = [row.split("|")[2] for row in aims.splitlines() if row.startswith("| ")]
    figures = set(re.findall(r"\d+\.\d+", " ".join(measured)))
    quoted = " ".join(results.sections(page()).values())
    assert figures and {figure for figure in figures if figure not in quoted} == set()


def test_a_written_section_replaces_only_itself(tmp_path, monkeypatch, capsys):
    before = results.sections(page())
    copy = tmp_path / "RESULTS.md"
    copy.write_text(page(), encoding="utf-8")
    monkeypatch.setattr(results, "PAGE", copy)
    with results.section("cold"):
        print(r"### A title with \1", end="\n\n")
    assert capsys.readouterr().out == "### A title with \\1\n\n"
    assert results.sections(page()) == {**before, "cold": r"### A title with \1"}


def test_a_missing_section_is_named():
    with pytest.raises(SystemExit, match="has no section cold"):
        results.replace("# Results\n", "cold", "text")

"""`--simulate`: what it accepts, and the text that it prints."""

import re

import pytest

from mtl.cluster import measured, scale, simulate
from mtl.errors import UsageError


@pytest.mark.parametrize(
    "text, expected",
    [
        ("8,2,10", (8, 2, 10.0, 50e-6)),
        (" 1000 , 4 , 0.5 ", (1000, 4, 0.5, 50e-6)),
        ("8,2,10,0.1ms", (8, 2, 10.0, 1e-4)),
        ("8,2,10,50us", (8, 2, 10.0, 5e-5)),
        ("8,2,1e2,1.5 s", (8, 2, 100.0, 1.5)),
        ("8,2,10,0us", (8, 2, 10.0, 0.0)),
    ],
)
def test_values_are_read_with_their_units(text, expected):
    assert simulate.parse(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text, named",
    [
        ("", "has 1 values"),
        ("8,2", "has 2 values"),
        ("8,2,10,1ms,3", "has 5 values"),
        ("0,2,10", "workers is '0'"),
        ("-1,2,10", "workers is '-1'"),
        ("10001,2,10", "from 1 to 10000"),
        ("1" * 5000 + ",2,10", "workers is"),
        ("²,2,10", "workers is"),
        ("8,0,10", "ps is '0'"),
        ("8,1.5,10", "ps is '1.5'"),
        ("8,2,0", "bandwidth is '0'"),
        ("8,2,nan", "bandwidth is 'nan'"),
        ("8,2,inf", "bandwidth is 'inf'"),
        ("8,2,10Gbit", "bandwidth is '10Gbit'"),
        ("8,2,10,5", "has no unit"),
        ("8,2,10,-1ms", "latency is '-1ms'"),
        ("8,2,10,ms", "latency is 'ms'"),
        ("8,2\n,10,x\ny", "has no unit"),
    ],
)
def test_wrong_values_are_named_in_one_line(text, named):
    with pytest.raises(UsageError) as caught:
        simulate.parse(text)
    message = str(caught.value)
    assert named in message and ";" in message
    assert "\n" not in message and len(message) < 250


def test_the_table_has_the_predictions_of_the_model():
    text = simulate.report(20, 2, 10.0, 1e-4)
    for mode, predict in (("synchronous", scale.synchronous), ("asynchronous", scale.asynchronous)):
        block = text.split(f"\n{mode}:\n")[1].split("\n\n")[0]
        rows = re.findall(r"^ +(\d+) +(\d+) +(\d+)% +([\d.]+)  (.+)$", block, re.MULTILINE)
        assert [int(row[0]) for row in rows] == [1, 2, 4, 8, 16, 20]
        for workers, images, efficiency, step, limit in rows:
            setup = scale.Setup(int(workers), 2, 1.25e9, 1e-4, measured.LIGHT.batch)
            found = predict(measured.LIGHT, setup)
            assert int(images) == round(found.images)
            assert int(efficiency) == round(100 * found.efficiency)
            assert limit == found.limit
            seconds = int(workers) * setup.batch / found.images
            assert float(step) == pytest.approx(1e3 * seconds, abs=0.06)


def test_the_text_names_network_machine_and_that_it_is_computed():
    head = simulate.report(1, 1, 1.0).split("\n\n")[0]
    assert head.startswith("Computed, not measured: light (3.3 MB of variables), 64 images")
    assert measured.MACHINE.name in head and "latency 0.05 ms" in head


def test_the_text_says_where_it_stops_scaling_and_what_helps():
    text = simulate.report(1000, 1, 1.0, network=measured.PAPER)
    assert len(re.findall(r"From \d+ workers on, twice as many bring less than 10%", text)) == 2
    assert "divided" not in text  # there is one server
    gains = re.findall(r"^ +(\d+\.\d)  (.+)$", text, re.MULTILINE)
    gain = {name: float(value) for value, name in gains}
    assert gain["twice as many ps"] > 1.5 and gain["bf16 on the wire"] > 1.5
    assert "GB." in text


def test_counts_double_up_to_the_number_of_workers():
    assert simulate.counts(1) == [1]
    assert simulate.counts(2) == [1, 2]
    assert simulate.counts(9) == [1, 2, 4, 8, 9]

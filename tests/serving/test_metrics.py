"""mtl.serving.metrics: Prometheus' text format."""

from prometheus_client import parser

from mtl.serving.metrics import Metrics


def samples(metrics):
    """Return dict (name, labels) -> value of the text, as Prometheus parses it."""
    found = {}
    for family in parser.text_string_to_metric_families(metrics.text().decode()):
        for each in family.samples:
            found[each.name, tuple(sorted(each.labels.items()))] = each.value
    return found


def test_requests_are_counted_by_route_and_status():
    metrics = Metrics()
    metrics.request("/predict", 200, 0.004)
    metrics.request("/predict", 200, 0.2)
    metrics.request("/predict", 400, 0.001)
    found = samples(metrics)
    assert found["mtl_requests_total", (("code", "200"), ("route", "/predict"))] == 2
    assert found["mtl_requests_total", (("code", "400"), ("route", "/predict"))] == 1
    fast = found["mtl_request_seconds_bucket", (("le", "0.005"), ("route", "/predict"))]
    assert fast == 2 and found["mtl_request_seconds_count", (("route", "/predict"),)] == 3


def test_batches_the_version_and_the_process_are_reported():
    metrics = Metrics()
    metrics.batch(3)
    metrics.batch(16)
    metrics.version(42)
    metrics.waiting.set(5)
    found = samples(metrics)
    assert found["mtl_batch_examples_sum", ()] == 19
    assert found["mtl_batch_examples_bucket", (("le", "4.0"),)] == 1
    assert found["mtl_model_version", ()] == 42
    assert found["mtl_waiting_examples", ()] == 5
    assert found["process_resident_memory_bytes", ()] > 1e6


def test_two_servers_of_one_process_count_separately():
    one, other = Metrics(), Metrics()
    one.batch(1)
    assert samples(other)["mtl_batch_examples_count", ()] == 0

"""mtl.inference.calibration: a temperature against its definition in NumPy."""

import numpy as np
import pytest

from mtl.inference import calibration


def outputs(seed=0, n=7):
    rng = np.random.default_rng(seed)
    made = {}
    for name, classes in (("length", 5), ("digit1", 11)):
        probabilities = rng.dirichlet(np.ones(classes), n)
        made[name] = np.log(probabilities).astype(np.float32)
    return made


@pytest.mark.parametrize("temperature", [0.2, 0.45, 1.7, 5.0])
def test_probabilities_are_powers_of_the_probabilities_normalised(temperature):
    log_probs = outputs()
    calibrated = calibration.calibrate(log_probs, temperature)
    assert list(calibrated) == list(log_probs)
    for name, rows in log_probs.items():
        powers = np.exp(np.float64(rows)) ** (1 / temperature)
        expected = powers / powers.sum(axis=1, keepdims=True)
        assert calibrated[name].dtype == np.float32
        np.testing.assert_allclose(np.exp(calibrated[name]), expected, rtol=2e-5, atol=1e-7)


def test_temperature_1_returns_the_outputs_unchanged():
    log_probs = outputs()
    assert calibration.calibrate(log_probs, 1.0) is log_probs


def test_two_temperatures_multiply():
    twice = calibration.calibrate(calibration.calibrate(outputs(), 0.5), 3.0)
    once = calibration.calibrate(outputs(), 1.5)
    for name, rows in once.items():
        np.testing.assert_allclose(twice[name], rows, rtol=1e-5, atol=1e-5)


def test_impossible_classes_stay_impossible():
    rows = np.array([[np.log(0.5), np.log(0.5), -np.inf], [0.0, -1e9, -1e9]], np.float32)
    found = np.exp(calibration.calibrate({"digit1": rows}, 0.4)["digit1"])
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], atol=1e-7)


def test_nan_stays_nan_in_its_row_only():
    log_probs = outputs()
    log_probs["length"][3, 1] = np.nan
    found = calibration.calibrate(log_probs, 0.5)["length"]
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


def test_zero_examples():
    rows = np.empty((0, 7), np.float32)
    assert calibration.calibrate({"length": rows}, 0.5)["length"].shape == (0, 7)


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e-3, 1e3, np.inf, np.nan])
def test_rejects_a_temperature_out_of_range(temperature):
    with pytest.raises(ValueError, match="temperature"):
        calibration.calibrate(outputs(), temperature)

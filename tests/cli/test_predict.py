"""The flags of `mtl predict`; what it reads is in tests/end_to_end."""

from mtl.cli import predict


def test_without_a_model_it_says_that_no_weights_come_along(refused):
    line = refused(1, "predict", "a.png")
    assert "--model_dir" in line and "weights" in line


def test_without_an_image_it_asks_for_one(refused):
    assert "IMAGE" in refused(1, "predict", "--model_dir=x")


def test_a_missing_run_is_named(refused, tmp_path):
    assert str(tmp_path / "nowhere") in refused(2, "predict", f"--model_dir={tmp_path / 'nowhere'}", "a.png")


def test_a_line_names_what_is_no_number():
    assert predict._line({"file": "a b.png", "number": "210", "confidence": 0.98765}) == "a b.png  210  0.988"
    assert predict._line({"file": "a.png", "number": "", "confidence": 1.0}) == "a.png  no number  1.000"
    assert predict._line({"file": "a.png", "number": None, "confidence": 0.0}) == "a.png  more than 5 digits  0.000"

import builtins

from mtl.runs import environment


def test_versions_hold_what_decides_bits():
    versions = environment.versions()
    assert set(environment.DECIDES_BITS) < set(versions)
    assert all(isinstance(value, str) and value for value in versions.values())


def test_processor_without_proc(monkeypatch):
    def missing(path, **options):
        raise FileNotFoundError(path)

    monkeypatch.setattr(builtins, "open", missing)
    assert environment.processor()

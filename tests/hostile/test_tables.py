"""A table with any damage."""

from collections import Counter

import pytest
from hypothesis import given

from tests.mutations import damaged, quick

pytestmark = pytest.mark.slow

WHOLE = b'width,kind,height,size\n1.5,0,2,\n-3,,1e3,170.25\n\n4,2,5,1\n"7",1,8,9\n'


def test_damaged_table_is_read_or_rejected(tmp_path, read):
    path, seen = tmp_path / "train.csv", Counter()
    path.write_bytes(WHOLE)
    (tmp_path / "validation.csv").write_bytes(b"")  # else some rows belong to it

    @quick(250)
    @given(damaged(WHOLE))
    def check(data):
        path.write_bytes(data)
        seen[read("own_table", tmp_path, path)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) >= 5

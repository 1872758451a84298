"""Which devices are our own."""

import pytest

from gateway.devices.ownership import is_own


@pytest.mark.parametrize(
    ("device_id", "patterns", "expected"),
    [
        ("ebike-001", ["ebike-001"], True),
        ("ebike-0011", ["ebike-001"], False),
        ("ebike-0011", ["ebike-001*"], True),
        ("ebike-001", ["van-*", "ebike-*"], True),
        ("ebike-001", ["*"], True),
        ("ebike-001", [], False),
    ],
)
def test_pattern_is_id_or_prefix(device_id: str, patterns: list[str], expected: bool) -> None:
    assert is_own(device_id, patterns) is expected

from resource import RLIM_INFINITY

import pytest

from gateway.descriptors import descriptor_limit, share_out
from shared.errors import SettingsError


@pytest.mark.parametrize(
    ("soft", "hard", "needed", "chosen"),
    [
        (1_024, 524_288, 10_064, 524_288),
        (1_024, 4_096, 10_064, 4_096),
        (4_096, 4_096, 10_064, 4_096),
        (256, RLIM_INFINITY, 10_064, 10_064),
        (65_536, RLIM_INFINITY, 10_064, 65_536),
        (RLIM_INFINITY, RLIM_INFINITY, 10_064, RLIM_INFINITY),
    ],
)
def test_descriptor_limit(soft: int, hard: int, needed: int, chosen: int) -> None:
    assert descriptor_limit(soft, hard, needed) == chosen


@pytest.mark.parametrize(
    ("limit", "wanted", "shares"),
    [
        (524_288, 10_000, (10_000, 10_016)),
        (RLIM_INFINITY, 10_000, (10_000, 10_016)),
        (12_080, 10_000, (6_000, 6_016)),
        (1_024, 10_000, (472, 488)),
        (1_024, 10, (10, 26)),
        (100, 10_000, (10, 26)),
    ],
)
def test_limit_is_divided(limit: int, wanted: int, shares: tuple[int, int]) -> None:
    assert share_out(limit, wanted) == shares


def test_too_low_limit_is_refused() -> None:
    with pytest.raises(SettingsError, match="may open 64 files, the gateway needs at least 100"):
        share_out(64, 10_000)

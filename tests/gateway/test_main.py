from resource import RLIM_INFINITY

import pytest

from gateway.__main__ import descriptor_limit, share_out
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
def test_the_descriptor_limit_is_raised_as_far_as_it_goes(
    soft: int, hard: int, needed: int, chosen: int
) -> None:
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
def test_a_low_limit_is_shared_out_to_sessions_and_other_connections(
    limit: int, wanted: int, shares: tuple[int, int]
) -> None:
    assert share_out(limit, wanted) == shares


def test_a_limit_under_which_nobody_could_be_served_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match="may open 64 files, the gateway needs at least 100"):
        share_out(64, 10_000)

from resource import RLIM_INFINITY

import pytest

from gateway.__main__ import descriptor_limit


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

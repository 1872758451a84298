"""Which devices are named in ``SPOKE_DEVICES``; they never give way to others. Pure."""

from collections.abc import Sequence


def is_own(device_id: str, patterns: Sequence[str]) -> bool:
    """Tell whether a device id is one of the patterns of ``SPOKE_DEVICES``.

    A pattern is an id, or the beginning of some with a ``*`` behind it.
    """
    return any(
        device_id.startswith(pattern[:-1]) if pattern.endswith("*") else device_id == pattern
        for pattern in patterns
    )

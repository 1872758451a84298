"""Which connected bike answers replay questions for which device. Pure.

How it works. A bike claims its devices when it connects, and again every 10 s. The latest claim for
a device counts. A claim that was not repeated for :data:`CLAIM_S` is over. A bike that cannot be
reached keeps its claim until then, so that a gateway asks again instead of giving the device up.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

CLAIM_S = 30.0
"""Three repetitions."""


class Claim(NamedTuple):
    """The peer that serves a device, and until when."""

    peer: bytes
    until_s: float


class Claims:
    """The claims for at most ``devices_max`` devices, the latest ones."""

    def __init__(self, devices_max: int) -> None:
        self._devices_max = devices_max
        self._claims: OrderedDict[str, Claim] = OrderedDict()

    def __len__(self) -> int:
        return len(self._claims)

    def note(self, peer: bytes, device_ids: Iterable[str], now_s: float) -> None:
        """Note that a peer serves these devices."""
        for device_id in device_ids:
            self._claims[device_id] = Claim(peer, now_s + CLAIM_S)
            self._claims.move_to_end(device_id)
            if len(self._claims) > self._devices_max:
                self._claims.popitem(last=False)

    def peer(self, device_id: str, now_s: float) -> bytes | None:
        """Return the peer that serves a device; None if there is none."""
        claim = self._claims.get(device_id)
        if claim is None or claim.until_s <= now_s:
            self._claims.pop(device_id, None)
            return None
        return claim.peer

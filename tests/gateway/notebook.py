"""Who follows a table of devices in a test."""

from dataclasses import dataclass, field

from gateway.devices.devices import Device
from gateway.devices.ring import Entry
from gateway.domain import Now


@dataclass
class Notebook:
    """An audience that writes down what it is told."""

    told: list[str] = field(default_factory=list)
    watched: set[str] = field(default_factory=set)

    def appear(self, device: Device, now: Now) -> None:
        self.told.append(f"appear {device.device_id} after {device.ring.front}")

    def append(self, device: Device, entry: Entry) -> None:
        self.told.append(f"append {entry.end} as {entry.arrival}")

    def note_status(self, device_id: str) -> None:
        self.told.append(f"status {device_id}")

    def before_forgetting(self, device: Device, arrival: int) -> int:
        self.told.append(f"forget {device.device_id} to {arrival}, holding {len(device.ring)}")
        return arrival

    def evict(self, device: Device) -> None:
        self.told.append(f"evict {device.device_id}")

    def is_watched(self, device_id: str) -> bool:
        return device_id in self.watched

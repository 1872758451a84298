"""All groups, found by their coverage and by the devices that they cover. Pure."""

from collections.abc import Callable, Iterator, Sequence

from gateway.fanout.group import Group, Member, OpenMulticast
from gateway.fanout.tail import BATCH_BYTES_MAX, Coverage, Sent


class Groups:
    """All groups that have members, found by their coverage and by device."""

    def __init__(
        self,
        tail_length: Callable[[Coverage], int],
        open_multicast: OpenMulticast,
        move_out_below: Callable[[Group, int], None],
    ) -> None:
        self.sent = Sent()
        """What was sent to synced clients."""
        self.has_full_send = False
        """Whether more than one send carries was appended to some group since the last flush."""
        self._tail_length = tail_length
        self._open_multicast = open_multicast
        self._move_out_below = move_out_below  # takes out members below an arrival number
        self._groups: dict[Coverage, Group] = {}
        self._by_name: dict[str, list[Group]] = {}
        self._of_everything: list[Group] = []
        self._dirty: list[Group] = []

    def __len__(self) -> int:
        return len(self._groups)

    def join(self, member: Member, coverage: Coverage) -> Group:
        """Add a member, at its ``arrival``, to the group of a coverage; opens the group if new."""
        group = self._groups.get(coverage)
        if group is None:
            length = self._tail_length(coverage)
            group = Group(coverage, length, member.arrival, self._open_multicast, self.sent)
            self._groups[coverage] = group
            for groups in self._lists_for(coverage):
                groups.append(group)
        group.add(member)
        return group

    def leave(self, member: Member, group: Group) -> None:
        """Take a member out; the group ends with its last member."""
        group.remove(member)
        if not group.members:
            del self._groups[group.coverage]
            for groups in self._lists_for(group.coverage):
                groups.remove(group)
            for name in group.coverage.names:
                if not self._by_name[name]:
                    del self._by_name[name]

    def _lists_for(self, coverage: Coverage) -> Iterator[list[Group]]:
        yield from (self._by_name.setdefault(name, []) for name in coverage.names)
        if coverage.everything:
            yield self._of_everything

    def covering(self, device_id: str) -> Sequence[Group]:
        """Return the groups that cover a device, as a new list: groups may end meanwhile."""
        named = self._by_name.get(device_id, ())
        if not self._of_everything:
            return [*named]
        others = (g for g in self._of_everything if device_id not in g.coverage.names)
        return [*named, *(g for g in others if g.coverage.covers(device_id))]

    def append(self, device_id: str, arrival: int, frame: bytes) -> None:
        """Append an entry to the tail of each group that covers its device."""
        for group in self.covering(device_id):
            if not group.room:
                # No member may be below the new floor: its entries are cut off.
                floor = group.next_floor()
                self._move_out_below(group, floor)
                group.cut()
            group.append(arrival, frame)
            self.has_full_send |= group.unsent_bytes > BATCH_BYTES_MAX
            if not group.is_dirty:
                group.is_dirty = True
                self._dirty.append(group)

    @property
    def has_dirty(self) -> bool:
        """Tell whether an entry was appended to some group since :meth:`take_dirty`."""
        return bool(self._dirty)

    def take_dirty(self) -> list[Group]:
        """Take the groups to which entries were appended since the last call."""
        dirty, self._dirty, self.has_full_send = self._dirty, [], False
        for group in dirty:
            group.is_dirty = False
        return dirty

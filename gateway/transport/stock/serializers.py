"""The packet class of each ``serializer`` that python-socketio offers, with bounds on its input."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from socketio import packet

from gateway.transport.stock.strict_json import MAX_CONTAINERS, StrictPacket, without_gc

ExtHook = Callable[[int, bytes], Any]

# The first bytes of lists, maps and extensions. The same bytes occur in text and binary data, too.
_CONTAINER_STARTS = bytes(
    [*range(0x80, 0xA0), *range(0xC7, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0)]
)
# The first bytes of a timestamp. To make one takes as long as a list, and no hook sees it.
_TIMESTAMPS = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")


def packet_class_of(serializer: Any) -> Any:
    """Return the packet class that ``serializer`` names, or is. Raises ValueError."""
    if serializer == "default":
        # One for each server: the option ``json`` is set on it.
        return type("ServerPacket", (StrictPacket,), {})
    if serializer == "msgpack":
        return _msgpack(_stock_module().MsgPackPacket)
    is_packet_class = isinstance(serializer, type) and issubclass(serializer, packet.Packet)
    if not is_packet_class:
        raise ValueError(
            f"serializer={serializer!r} is unknown: python-socketio has 'default' and 'msgpack', "
            "or takes a subclass of socketio.packet.Packet"
        )
    return _msgpack(serializer) if _is_configured(serializer) else serializer


def _is_configured(serializer: Any) -> bool:
    """Say whether a class came from ``MsgPackPacket.configure``: only its options differ."""
    for base in serializer.__mro__:
        if base.__module__ == "socketio.msgpack_packet" and "decode" in vars(base):
            return bool(serializer.decode is base.decode and serializer.encode is base.encode)
    return False


def _stock_module() -> Any:
    from socketio import msgpack_packet  # noqa: PLC0415  # it imports msgpack, which the other serializers do not need

    return msgpack_packet


@cache
def _msgpack(stock: Any) -> Any:
    """Return a subclass of a MessagePack packet class, bounded, that JavaScript's parser takes."""
    msgpack = _stock_module().msgpack
    undefined = msgpack.ExtType(0, b"\0")

    class MsgPackPacket(stock):  # type: ignore[misc]  # socketio has no types
        """MessagePack as socket.io-msgpack-parser reads and writes it."""

        unbounded = stock

        def encode(self) -> bytes:
            """Encode; without data leave that out, as JavaScript's parser refuses null there."""
            fields = {"type": self.packet_type, "nsp": self.namespace or "/"}
            if self.data is not None:
                fields["data"] = self.data
            if self.id is not None:
                fields["id"] = self.id
            encoded: bytes = msgpack.packb(fields, default=type(self).dumps_default)
            return encoded

        def decode(self, encoded_packet: bytes) -> None:
            """Decode; what JavaScript has not defined is None. Raises ValueError and others."""
            hooks = _hooks(encoded_packet, type(self).ext_hook)
            found = without_gc(partial(msgpack.unpackb, encoded_packet, **hooks))
            data, ack_id = found.get("data"), found.get("id")
            self.packet_type, self.namespace = found["type"], found["nsp"]
            self.data = None if data == undefined else data
            self.id = None if ack_id == undefined else ack_id

    return MsgPackPacket


def _hooks(encoded: bytes, ext_hook: ExtHook) -> dict[str, Any]:
    """Return the hooks of a decoder. They count only where there may be too many to count."""
    if len(encoded) - len(encoded.translate(None, _CONTAINER_STARTS)) <= MAX_CONTAINERS:
        return {"ext_hook": ext_hook}
    if sum(map(encoded.count, _TIMESTAMPS)) > MAX_CONTAINERS:
        raise ValueError("too many timestamps")
    left = MAX_CONTAINERS

    def count(value: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("too many lists and maps")
        return value

    def count_ext(code: int, data: bytes) -> Any:
        return count(ext_hook(code, data))

    return {"list_hook": count, "object_hook": count, "ext_hook": count_ext}

"""A bike on a board without libzmq: MicroPython on an ESP32, or any Python.

It connects to a gateway with the settings SPOKE_DEVICE_BIND and SPOKE_REPLAY_BIND. `frame` and
`Link` are ZMTP 3.0, the protocol of ZeroMQ; they never wait for the network. `Bike` numbers the
readings and keeps them for replay. See docs/devices.md, "A board without libzmq".
"""

import json
import socket
import struct
import time

HOST, PUB_PORT, REPLAY_PORT = "192.168.1.10", 5556, 5557  # the machine of the gateway
DEVICE_ID = "my-board"
INTERVAL_MS = 1000
READINGS_KEPT = 300  # for replay, about 150 bytes of memory each
PAGE = 20  # readings in one answer
BOOT_FILES = ("boots.0", "boots.1")

SILENT_MS, PING_MS, RETRY_MS, SERVE_MS = 6000, 2000, 2000, 10_000
OUT_MAX, FRAME_MAX, PARTS_MAX = 8192, 2048, 8
MORE, LONG, COMMAND = 1, 2, 4
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
WOULD_BLOCK = (11, 35)
FROM_1970_TO_2000_MS, CLOCK_IS_SET_MS = 946_684_800_000, 1_700_000_000_000


def measure_kmh() -> float:
    """Return the speed. Put your sensor here."""
    return 21.5


def ticks_ms() -> int:
    """Return a time that only grows, until it starts again at 0 (MicroPython)."""
    return time.ticks_ms() if hasattr(time, "ticks_ms") else time.monotonic_ns() // 1_000_000


def since(then: int) -> int:
    """Return the milliseconds since a value of `ticks_ms`, which may have started again at 0."""
    return (ticks_ms() - then) % 2**30


def now_ms() -> int:
    """Return the milliseconds since 1970, or 0 while the clock is not set.

    Some boards count from 2000.
    """
    ms = time.time_ns() // 1_000_000
    if time.gmtime(0)[0] == 2000:
        ms += FROM_1970_TO_2000_MS
    return ms if ms > CLOCK_IS_SET_MS else 0


def next_epoch() -> int:
    """Count the starts, in two files in turn: a power cut while writing spoils only one of them."""
    counts = [0]
    for name in BOOT_FILES:
        try:
            with open(name) as file:
                counts.append(int(file.read()))
        except (OSError, ValueError):
            counts.append(0)
    epoch = max(counts) + 1
    with open(BOOT_FILES[epoch % 2], "w") as file:
        file.write(str(epoch))
    return epoch


def frame(body: bytes, flags: int = 0) -> bytes:
    """Write one frame."""
    size = len(body)
    head = struct.pack(">BQ", flags | LONG, size) if size > 255 else bytes((flags, size))
    return head + body


class Link:
    """A connection to one socket of the gateway. It connects again whenever it breaks."""

    def __init__(self, kind: bytes, port: int) -> None:
        self.kind, self.port, self.sock = kind, port, None
        self.tried = ticks_ms() - RETRY_MS
        self._reset()

    def send(self, *bodies: bytes) -> None:
        """Send a message of some frames; drop it while the gateway cannot be reached."""
        if self.is_ready and len(self.out) < OUT_MAX:
            for body in bodies[:-1]:
                self.out += frame(body, MORE)
            self.out += frame(bodies[-1])

    def poll(self) -> list:
        """Move bytes in both directions, and return the messages that came."""
        messages = []
        try:
            if self.sock is None and since(self.tried) >= RETRY_MS:
                self._connect()
            if self.sock is not None:
                self._read()
                self._take_greeting()
                while self._take_frame(messages):
                    pass
                self._check_silence()
                self._write()
        except OSError:
            self._close()
        return messages

    def _reset(self) -> None:
        self.is_greeted = self.is_ready = False
        self.out, self.got, self.parts = b"", b"", []
        self.heard = self.pinged = ticks_ms()

    def _connect(self) -> None:
        """Begin to connect. The silence limit ends an attempt without an answer."""
        self.tried = ticks_ms()
        address = socket.getaddrinfo(HOST, self.port, 0, socket.SOCK_STREAM)[0][-1]
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self._reset()
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(self.kind)) + self.kind
        self.out = GREETING + frame(ready, COMMAND)
        self._try(self.sock.connect, address)

    def _close(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock = None
        self._reset()

    def _try(self, move: object, argument: object) -> object:
        """Call a method of the socket; return None for "not yet".

        Before the gateway has answered, any error means "not yet", until the silence limit.
        """
        try:
            return move(argument)
        except OSError as error:
            if self.is_greeted and error.args[0] not in WOULD_BLOCK:
                raise
            return None

    def _read(self) -> None:
        data = self._try(self.sock.recv, 1024)
        if data == b"":
            raise OSError("the gateway closed the connection")
        if data:
            self.got += data
            self.heard = ticks_ms()

    def _write(self) -> None:
        """Send as much as the network takes; the rest of a frame follows at the next call."""
        if self.out:
            self.out = self.out[self._try(self.sock.send, self.out) or 0 :]

    def _check_silence(self) -> None:
        if since(self.heard) > SILENT_MS:
            raise OSError("the gateway is silent")
        if self.is_ready and since(self.pinged) > PING_MS:
            self.pinged = ticks_ms()
            self.out += frame(b"\x04PING\0\0", COMMAND)

    def _take_greeting(self) -> None:
        if not self.is_greeted and len(self.got) >= len(GREETING):
            if self.got[:1] != GREETING[:1] or self.got[10] < GREETING[10]:
                raise OSError("this is no ZMTP 3")
            self.got, self.is_greeted = self.got[len(GREETING) :], True

    def _take_frame(self, messages: list) -> bool:
        """Take a whole frame from the bytes that came; a last frame completes a message."""
        if not self.is_greeted or len(self.got) < 2:
            return False
        flags, size, start = self.got[0], self.got[1], 2
        if flags & LONG:
            start = 9
            size = struct.unpack(">Q", self.got[1:9])[0] if len(self.got) >= start else 0
        if size > FRAME_MAX or len(self.parts) > PARTS_MAX:
            raise OSError("the message is too large")
        if len(self.got) < start + size:
            return False
        body, self.got = self.got[start : start + size], self.got[start + size :]
        if flags & COMMAND:
            self._obey(body)
        else:
            self.parts.append(body)
            if not flags & MORE:
                messages.append(self.parts)
                self.parts = []
        return True

    def _obey(self, command: bytes) -> None:
        if command[:6] == b"\x05READY":
            self.is_ready = True
        elif command[:5] == b"\x04PING":
            self.out += frame(b"\x04PONG" + command[7:], COMMAND)
        elif command[:6] == b"\x05ERROR":
            raise OSError("the gateway refuses the connection")


class Bike:
    """Numbers readings, keeps the newest ones, and answers questions about them."""

    def __init__(self) -> None:
        self.epoch, self.seq, self.kept = next_epoch(), 0, []

    def reading(self, speed_kmh: float) -> bytes:
        """Number a measurement. It is rounded, because 32-bit floats have many digits in JSON."""
        self.seq += 1
        values = {"seq": self.seq, "speed_kmh": round(speed_kmh * 10) / 10}
        payload = self._write(values)
        self.kept = self.kept[-READINGS_KEPT + 1 :] + [payload]
        return payload

    def status(self) -> bytes:
        """Write the status that is due every second."""
        values = {"last_seq": self.seq, "state": "online", "interval_ms": INTERVAL_MS}
        return self._write(values)

    def answer(self, question: bytes) -> list:
        """Answer a replay question: the frames, or none for a question without an id."""
        try:
            asked = json.loads(question)
            reply = {"v": 1, "id": asked["id"], "device_id": asked["device_id"]}
        except (ValueError, KeyError, TypeError):
            return []
        code, page = self._page(asked)
        if code:
            reply["error"] = {"code": code, "message": code}
            return [json.dumps(reply).encode()]
        reply["count"] = len(page)
        reply["oldest"] = f"{self.epoch}-{self._oldest()}" if self.kept else None
        reply["newest"] = f"{self.epoch}-{self.seq}" if self.kept else None
        return [json.dumps(reply).encode()] + page

    def _page(self, asked: dict) -> tuple:
        """Return an error code, or None and the readings of the answer."""
        if asked.get("v") != 1:
            return "unsupported_version", []
        try:
            epoch, seq = [int(number) for number in (asked["after"] or "0-0").split("-")]
            limit = min(asked["limit"], PAGE)
        except (ValueError, KeyError, TypeError, AttributeError):
            return "bad_request", []
        if asked.get("op") != "replay" or limit < 1:
            return "bad_request", []
        if asked["device_id"] != DEVICE_ID:
            return "unknown_device", []
        if epoch > self.epoch:
            return None, []
        start = max(0, seq + 1 - self._oldest()) if epoch == self.epoch else 0
        return None, self.kept[start : start + limit]

    def _oldest(self) -> int:
        return self.seq - len(self.kept) + 1

    def _write(self, values: dict) -> bytes:
        message = {"v": 1, "device_id": DEVICE_ID, "epoch": self.epoch, "ts_ms": now_ms()}
        message.update(values)
        return json.dumps(message).encode()


def run() -> None:
    """Measure, publish and answer, for ever."""
    bike, pub, replay = Bike(), Link(b"PUB", PUB_PORT), Link(b"DEALER", REPLAY_PORT)
    topic, status_topic = f"ebike/reading/{DEVICE_ID}/", f"ebike/status/{DEVICE_ID}/"
    offer = json.dumps({"v": 1, "op": "serve", "devices": [DEVICE_ID]}).encode()
    measured = told = ticks_ms()
    offered = None
    while True:
        if since(measured) >= INTERVAL_MS:
            measured += INTERVAL_MS if since(measured) < 2 * INTERVAL_MS else since(measured)
            pub.send(topic.encode(), bike.reading(measure_kmh()))
        if since(told) >= 1000:
            told = ticks_ms()
            pub.send(status_topic.encode(), bike.status())
        pub.poll()  # the subscriptions that come are not needed: this bike sends everything
        for parts in replay.poll():
            answer = bike.answer(parts[-1])
            if answer:
                replay.send(*(parts[:-1] + answer))
        if not replay.is_ready:
            offered = None
        elif offered is None or since(offered) >= SERVE_MS:
            offered = ticks_ms()
            replay.send(offer)
        time.sleep(0.01)


if __name__ == "__main__":
    run()

"""A connection to an MQTT broker, kept by a thread of its own; for the source and the emulator.

How it works. The thread connects, and runs paho's loop until the connection ends. Then it pauses,
longer each time, and connects again. The first refusal of a broker ends the link, because a user
has to change a setting; later ones may pass. The callbacks run in this thread.
"""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from loguru import logger

from shared.errors import SourceError
from shared.extras import need
from shared.origins import PORT_MAX

EXTRA = "mqtt"
PORT, TLS_PORT = 1883, 8883
KEEPALIVE_S = 15
"""A broker that vanished without a word is noticed after one and a half times this."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
JOIN_S = 1.0
"""How long the end of the process waits for the thread; a connect in progress may take 5 s."""


@dataclass(frozen=True, slots=True)
class Broker:
    """The address of a broker, and how to log in; the password is never printed."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def read_address(text: str, *, tls: bool) -> tuple[Broker, str]:
    """Split ``host[:port]/topic``. Raises ValueError, whose text never holds a password."""
    place, _, topic = text.partition("/")
    if "@" in place:
        raise ValueError(
            "must hold no user and no password: name them with --mqtt-user and --mqtt-password-file"
            " (the emulator: --user and --password-file)"
        )
    host, colon, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not colon:
        host, port = place, str(TLS_PORT if tls else PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not _is_name(host) or not port.isdecimal() or not 0 < int(port[:6]) <= PORT_MAX:
        raise ValueError("must begin with a host, or a host and a port, such as localhost:1883")
    return Broker(host, int(port), tls), topic


def _is_name(host: str) -> bool:
    """Tell whether the system can look a host up: it encodes the name first."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:  # such as "a..b"
        return False


def read_password(path: Path | None) -> str | None:
    """Return the first line of a file; raises SourceError."""
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise SourceError(f"the file of the MQTT password, {path}, cannot be read: {why}") from None
    if not lines or not lines[0]:
        raise SourceError(f"the file of the MQTT password, {path}, must hold it in its first line")
    return lines[0]


class BrokerLink:
    """The connection and its thread. ``client`` is paho's; set its callbacks before ``start``."""

    def __init__(self, broker: Broker, on_fault: Callable[[str], None]) -> None:
        """Prepare the client. Raises SourceError without paho, or if the CA cannot be read.

        ``on_fault`` gets the sentence that says why the link ended for good.
        """
        need("paho.mqtt.client", EXTRA)
        self.client = _make_client(broker)
        self.on_connected: Callable[[], None] = lambda: None
        self._broker, self._on_fault = broker, on_fault
        self._stop = threading.Event()
        self._was_connected = False
        self._trouble: str | None = None
        self._pause_s = FIRST_PAUSE_S
        self.client.on_connect = self._connected
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Say goodbye to the broker, and end the thread."""
        self._stop.set()
        was_connected = self.client.is_connected()
        self.client.disconnect()
        if was_connected:  # otherwise it may wait for the network, and has nothing to say
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._connect_once()
                self._stop.wait(self._pause_s)
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        except Exception:
            logger.exception("mqtt_failed")
            self._on_fault("the thread of the MQTT client ended: the log says why")

    def _connect_once(self) -> None:
        """Stay connected for as long as it lasts."""
        try:
            self.client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
        except ssl.SSLEOFError:  # such as a proxy in front of a broker that starts
            self._lost("the connection ended")
        except ssl.SSLError as error:
            self._refused(f"no TLS with the MQTT broker {self._broker} ({error.reason}): {_TLS}")
        except (OSError, UnicodeError) as error:  # no such host, or no name of a host at all
            self._lost(getattr(error, "strerror", None) or str(error))
        else:
            if not self._stop.is_set():
                self.client.loop_forever()
            if not self._stop.is_set() and self._trouble is None:
                self._lost("the connection ended")

    def _connected(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:  # noqa: ANN401  # paho's
        if code.value in BUSY:
            self._lost(f"the broker says: {code}")
            return
        if code.is_failure:
            what = f"the MQTT broker {self._broker} refuses the connection ({code}): {_LOGIN}"
            self._refused(what)
            return
        self._was_connected, self._trouble, self._pause_s = True, None, FIRST_PAUSE_S
        self.on_connected()

    def _refused(self, why: str) -> None:
        if self._was_connected:
            self._lost(why)
            return
        self._stop.set()
        self.client.disconnect()
        self._on_fault(why)

    def _lost(self, why: str) -> None:
        """Log the first of several faults in a row."""
        if self._trouble is None:
            logger.warning("mqtt_away", broker=str(self._broker), why=why, next="trying again")
        self._trouble = why


BUSY = (136, 137)
"""MQTT's codes for a broker that is not available, or busy."""
_LOGIN = "check the user and the file of the password"
_TLS = "name the file of its CA, and its host as in the certificate"


def _make_client(broker: Broker) -> Any:  # noqa: ANN401  # of a library that may be missing
    mqtt = import_module("paho.mqtt.client")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    if broker.user is not None:
        client.username_pw_set(broker.user, broker.password)
    if broker.tls:
        try:
            context = ssl.create_default_context(cafile=broker.ca and str(broker.ca))
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or error
            raise SourceError(f"the CA file {broker.ca} cannot be used: {why}") from None
        client.tls_set_context(context)
    return client

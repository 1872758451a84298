"""The parser of the URL of a Redis, with the options in its query.

The options are those that redis-py takes from a URL and that suit a gateway. redis-py itself finds
most wrong ones only when it connects, and then again at each attempt.
"""

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

from shared.setting_types import Parse, choice, integer, number

FORM = "must be redis://host:port/0, rediss:// for TLS, or unix:///path/of/the/socket"
TIMEOUT_MAX_S = 60
DATABASE_MAX = 65_535

_TRUTH = choice("yes", "no", "true", "false")
_OPTIONS: Mapping[str, Parse] = {
    "db": integer(0, DATABASE_MAX),
    "username": str,
    "password": str,
    "socket_timeout": number(0.1, TIMEOUT_MAX_S),
    "socket_connect_timeout": number(0.1, TIMEOUT_MAX_S),
    "socket_keepalive": _TRUTH,
    "health_check_interval": integer(0, TIMEOUT_MAX_S),
    "protocol": integer(2, 3),
}
_TLS_OPTIONS: Mapping[str, Parse] = {
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_cert_reqs": choice("required", "optional", "none"),
    "ssl_check_hostname": _TRUTH,
}
_NAME = re.compile("[a-z_]{1,40}")
_DATABASE = re.compile("/?[0-9]{0,5}")


def redis_url(text: str) -> str:
    """Read the URL of a Redis. An error shows no part that may be a password."""
    url = _split(text)
    if url.scheme != "unix" and _DATABASE.fullmatch(url.path) is None:
        raise ValueError("must have the number of a database after the host, such as /0")
    given = parse_qsl(url.query, keep_blank_values=True)
    options = dict(given)
    if len(options) < len(given):
        raise ValueError("must not have an option twice in its query")
    for name, value in given:
        _check(name, value, has_tls=url.scheme == "rediss")
    if url.scheme == "rediss":
        _check_files(options)
    return text


def _split(text: str) -> SplitResult:
    if "#" in text:
        raise ValueError("must not contain #: write %23 for it in a password")
    try:
        url = urlsplit(text)
        has_place = bool(url.path if url.scheme == "unix" else url.hostname and url.port != 0)
    except ValueError:  # the port is no number, or a bracket is missing
        raise ValueError(FORM) from None
    if not has_place or url.scheme not in ("redis", "rediss", "unix"):
        raise ValueError(FORM)
    return url


def _check(name: str, value: str, *, has_tls: bool) -> None:
    if name in _TLS_OPTIONS and not has_tls:
        raise ValueError(f"must begin with rediss:// because its query has {name}")
    known = {**_OPTIONS, **_TLS_OPTIONS} if has_tls else _OPTIONS
    if name not in known:
        shown = repr(name) if _NAME.fullmatch(name) else "an option"
        raise ValueError(f"has {shown} in its query, but may have {', '.join(known)} only")
    if not value:
        raise ValueError(f"has no value for {name} in its query: give one or leave {name} out")
    try:
        known[name](value)
    except ValueError as error:
        raise ValueError(f"has a wrong {name} in its query, which {error}") from None


def _check_files(options: Mapping[str, str]) -> None:
    """Load the certificates and the key as redis-py will do it for each connection."""
    import ssl  # noqa: PLC0415  # takes 20 ms, and few programs need it

    certificate, key = options.get("ssl_certfile"), options.get("ssl_keyfile")
    if key is not None and certificate is None:
        raise ValueError("has ssl_keyfile in its query and needs ssl_certfile, too")
    context = ssl.create_default_context()
    name = "ssl_ca_certs"
    try:
        if name in options:
            context.load_verify_locations(options[name])
        name = "ssl_certfile"
        if certificate is not None:
            # Without a password OpenSSL would ask for it at the terminal.
            context.load_cert_chain(certificate, key, options.get("ssl_password", ""))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"has a file in its query that cannot be used as {name}: {why}") from None

"""What a request must say."""

from typing import Any

import pytest

from gateway.transport.handshake import (
    TRANSPORTS,
    Refusal,
    Request,
    accept_websocket,
    host_is_allowed,
    parse_request,
)

UPGRADE = {
    "HTTP_CONNECTION": "keep-alive, Upgrade",
    "HTTP_UPGRADE": "WebSocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
}


def request(method: str, query: str) -> Request:
    environ = {"REQUEST_METHOD": method, "QUERY_STRING": query}
    return parse_request(environ, list(TRANSPORTS))


def test_a_complete_query_is_a_request() -> None:
    assert request("GET", "EIO=4&transport=polling&t=abc") == Request("GET", "polling", None, "abc")
    assert request("POST", "EIO=4&transport=polling&sid=s") == Request("POST", "polling", "s", "")
    assert request("GET", "EIO=4&transport=websocket&sid=s") == Request("GET", "websocket", "s", "")


@pytest.mark.parametrize("query", ["", "EIO=4", "transport=polling", "&".join(["a=b"] * 200)])
def test_an_incomplete_query_is_refused(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        request("GET", query)
    assert refused.value.status.startswith("400")


def test_a_client_of_an_older_protocol_is_told_which_version_it_needs() -> None:
    with pytest.raises(Refusal, match="version 3 or newer"):
        request("GET", "EIO=3&transport=polling")


def test_the_answer_to_the_example_of_the_rfc_is_the_rfcs() -> None:
    answer = accept_websocket(UPGRADE)
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert b"Extensions" not in answer


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("HTTP_CONNECTION", "close", "400"),
        ("HTTP_UPGRADE", "h2c", "400"),
        ("HTTP_SEC_WEBSOCKET_VERSION", "12", "426"),
        ("HTTP_SEC_WEBSOCKET_KEY", "AAAA", "400"),
        ("HTTP_SEC_WEBSOCKET_KEY", "ключ", "400"),
    ],
)
def test_a_wrong_header_is_refused(name: str, value: str, status: str) -> None:
    with pytest.raises(Refusal) as refused:
        accept_websocket({**UPGRADE, name: value})
    assert refused.value.status.startswith(status)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("bikes.example", True),
        ("BIKES.example:5000", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("evil.example", False),
        ("bikes.example.evil.example", False),
        ("bikes.example:80:90", False),
        ("", False),
    ],
)
def test_a_host_is_allowed_by_its_name_whatever_the_port(host: str, allowed: bool) -> None:
    assert host_is_allowed(host, ("bikes.example", "[::1]")) is allowed


def test_without_a_list_every_host_is_allowed() -> None:
    any_host: Any = "anything"
    assert host_is_allowed(any_host, ())

"""What a request must say."""

import pytest

from gateway.transport.engineio.handshake import (
    Refusal,
    Request,
    accept_websocket,
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
    return parse_request(environ, ["polling", "websocket"])


def test_a_complete_query_is_a_request() -> None:
    assert request("GET", "EIO=4&transport=polling&t=abc") == Request("GET", "polling", None, "abc")
    assert request("POST", "EIO=4&transport=polling&sid=s") == Request("POST", "polling", "s", "")
    assert request("GET", "EIO=4&transport=websocket&sid=s") == Request("GET", "websocket", "s", "")


@pytest.mark.parametrize("query", ["", "EIO=4", "transport=polling", "&".join(["a=b"] * 200)])
def test_an_incomplete_query_is_refused(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        request("GET", query)
    assert refused.value.status.startswith("400")


def test_older_protocol_is_refused() -> None:
    with pytest.raises(Refusal, match="version 3 or newer"):
        request("GET", "EIO=3&transport=polling")


def test_answer_to_the_rfc_example() -> None:
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

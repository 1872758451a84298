"""Origins as people write them, and as browsers send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.origins import SHOWN_CHARS_MAX, comparable, read_origin, shown

SENT_BY_APPS = (
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "http://tauri.localhost",
    "http://localhost",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://0cf58e8f-bc54-4d3b-9d4b-f2f7a5f0d5b1",
    "vscode-webview://1a2b3c",
    "app://.",
    "app://obsidian.md",
    "qrc://",
    "file://",
    "null",
    "wss://bikes.example",
)


@pytest.mark.parametrize("origin", SENT_BY_APPS)
def test_origin_that_apps_send_is_kept(origin: str) -> None:
    assert read_origin(origin) == origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("HTTPS://App.Example.org:443", "https://app.example.org"),
        ("http://a.org:080", "http://a.org"),
        ("http://a.org:443", "http://a.org:443"),
        ("http://a.org.", "http://a.org."),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        ("https://Straße.de:8443", "https://xn--strae-oqa.de:8443"),
        ("http://日本.jp", "http://xn--wgv71a.jp"),
        ("http://[2001:DB8:0:0:0:0:0:1]:80", "http://[2001:db8::1]"),
        ("http://[::FFFF:1.2.3.4]", "http://[::ffff:102:304]"),
        ("http://192.168.1.5:3000", "http://192.168.1.5:3000"),
        ("http://my_host", "http://my_host"),
        ("Capacitor://LOCALHOST", "capacitor://localhost"),
        ("tauri://localhost:1420", "tauri://localhost:1420"),
        ("NULL", "null"),
    ],
)
def test_origin_is_written_as_browsers_do(text: str, origin: str) -> None:
    assert read_origin(text) == origin


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("https://A.org/", "write https://a.org$"),
        ("http://localhost:5173/index.html?x=1", "write http://localhost:5173$"),
        ("http://a.org?x", "write http://a.org$"),
        ("http://a.org\\", "write http://a.org$"),
        ("chrome-extension://abc/", "write chrome-extension://abc$"),
        ("file:///home/me/page.html", "write file://$"),
        ("app.example.org", "write https://app.example.org, or http://"),
        ("localhost:5173", "write https://localhost:5173, or http://"),
        ("data:text/html,x", "write null$"),
        ("about:blank", "write null$"),
        ("https://*.a.org", "is not supported"),
        ("https://a.org:70000", "port from 1 to 65535"),
        ("https://a.org:0", "port from 1 to 65535"),
        ("http://", "must be scheme://host"),
        ("http://me@a.org", "must be scheme://host"),
        ("http://a b", "must be scheme://host"),
        ("http://[::1", "must be scheme://host"),
        ("http://::1", "must be scheme://host"),
        ("http://[fe80::1%eth0]", "no zone"),
        ("http://127.1", "four numbers"),
        ("http://0x7f000001", "four numbers"),
        ("http://127.0.0.01", "four numbers"),
        ("http://☕.example", "xn--"),
        ("capacitor://*", "must be scheme://host"),
        ("", "must be scheme://host"),
    ],
)
def test_wrong_origin_gets_advice(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        read_origin(text)


@given(st.text(max_size=300) | st.from_regex(r"[a-z]{1,5}://.{0,50}"))
def test_reading_twice_changes_nothing(text: str) -> None:
    try:
        origin = read_origin(text)
    except ValueError:
        return
    assert read_origin(origin) == comparable(origin) == origin


@pytest.mark.parametrize(
    ("sent", "listed"),
    [
        ("HTTP://A.org:80", "http://a.org"),
        ("https://a.org:443", "https://a.org"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://a.org:443", "http://a.org:443"),
        ("http://a.org:8080", "http://a.org:8080"),
        ("app://x:80", "app://x:80"),
        ("", ""),
    ],
)
def test_comparable_drops_case_and_port(sent: str, listed: str) -> None:
    assert comparable(sent) == listed


@given(st.text())
def test_shown_origin_is_short_printable_ascii(origin: str) -> None:
    text = shown(origin)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 10 * SHOWN_CHARS_MAX + 3


def test_usual_origin_is_shown_as_it_is() -> None:
    assert shown("http://192.168.1.5:3000") == "http://192.168.1.5:3000"
    assert shown("http://" + "a" * 16_000) == "http://" + "a" * 193 + "..."

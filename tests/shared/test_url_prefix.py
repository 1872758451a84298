import pytest

from shared.url_prefix import decoded, encoded, read_prefix


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("/spoke", "/spoke"),
        ("/spoke/", "/spoke"),
        ("/a/spoke", "/a/spoke"),
        ("/", ""),
        ("", ""),
        ("/my%20bikes", "/my%20bikes"),
        ("/my bikes", "/my%20bikes"),
        ("/räder", "/r%C3%A4der"),
        ("/räder".encode(), "/r%C3%A4der"),
        ("/r%c3%a4der", "/r%c3%a4der"),
        ("/..a/b..", "/..a/b.."),
        ('/a"b<c', "/a%22b%3Cc"),
        (r"/\evil.org", "/%5Cevil.org"),
        ("/a?b#c", "/a%3Fb%23c"),
    ],
)
def test_prefix_is_written_as_in_a_url(text: str | bytes, prefix: str) -> None:
    assert read_prefix(text) == prefix


@pytest.mark.parametrize(
    "text", ["spoke", "//evil.org", "/a//b", "/a/..", "/../a", "/.", "/50%", "/%zz", "http://a/b"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as /spoke"):
        read_prefix(text)


@pytest.mark.parametrize("prefix", ["", "/spoke", "/my%20bikes/a", "/r%C3%A4der", "/50%25"])
def test_decoded_and_encoded_are_inverse(prefix: str) -> None:
    assert encoded(decoded(prefix)) == prefix

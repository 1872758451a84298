"""URLs of Redis: the options of the query, and what an error says and hides."""

import pytest

from shared.redis_url import redis_url
from tests.processes import ROOT

CERTIFICATES = ROOT / "tests" / "certificates"
CERTIFICATE, KEY = CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem"


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379/15?socket_timeout=2.5&socket_connect_timeout=1&protocol=3",
        "redis://localhost?db=1&health_check_interval=10&socket_keepalive=yes",
        "unix:///run/redis.sock?db=1&username=me&password=a%26b",
        "rediss://me:pw%23@[::1]:6380/1?ssl_cert_reqs=none&ssl_check_hostname=False",
        f"rediss://h?ssl_ca_certs={CERTIFICATE}&ssl_certfile={CERTIFICATE}&ssl_keyfile={KEY}",
    ],
)
def test_good_url(url: str) -> None:
    assert redis_url(url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://localhost/0?nope=1", "has 'nope' in its query, but may have db, "),
        ("redis://localhost/0?secret!", "has an option in its query"),
        ("redis://localhost/0?retry=1", "has 'retry' in its query"),
        ("redis://localhost/abc", "number of a database after the host, such as /0"),
        ("redis://localhost/1/2", "number of a database"),
        ("redis://localhost?db=abc", "wrong db in its query, which must be a whole number"),
        ("redis://localhost?db=-1", "from 0 to"),
        ("redis://localhost?db=", "no value for db in its query"),
        ("redis://localhost?db=1&db=2", "an option twice"),
        ("redis://localhost?socket_timeout=abc", "wrong socket_timeout .* from 0.1 to 60"),
        ("redis://localhost?socket_timeout=-1", "from 0.1 to 60"),
        ("redis://localhost?protocol=4", "from 2 to 3"),
        ("redis://localhost?socket_keepalive=off", "must be yes, no, true or false"),
        ("redis://:pa#ss@localhost", "write %23"),
        ("redis://localhost?ssl_cert_reqs=none", "must begin with rediss://"),
        ("rediss://localhost?ssl_cert_reqs=maybe", "must be required, optional or none"),
        ("rediss://localhost?ssl_ca_certs=/no.pem", "used as ssl_ca_certs: No such file"),
        (f"rediss://localhost?ssl_ca_certs={KEY}", "used as ssl_ca_certs: .*certificate"),
        (f"rediss://localhost?ssl_certfile={CERTIFICATE}", "used as ssl_certfile: "),
        (f"rediss://localhost?ssl_keyfile={KEY}", "needs ssl_certfile, too"),
        (f"rediss://h?ssl_certfile={CERTIFICATE}&ssl_keyfile=/no", "ssl_certfile: No such file"),
    ],
)
def test_wrong_url(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        redis_url(url)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)

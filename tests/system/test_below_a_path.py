"""A gateway below paths of a real nginx, which removes the path or keeps it, and every client."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.processes import ROOT, RunningProcess
from tests.servers import server
from tests.system.pair import Answer, Pair
from tests.timing import eventually

HEADERS = """
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
"""
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1;
    proxy_buffering off;
    server {{
        listen 127.0.0.1:{port};
        location /silent/ {{ {headers}
            proxy_pass http://127.0.0.1:{gateway}/;
        }}
        location /named/ {{ {headers}
            proxy_pass http://127.0.0.1:{gateway}/;
            proxy_set_header X-Forwarded-Prefix /named;
        }}
        location "/my bikes/spoke" {{ {headers}
            proxy_pass http://127.0.0.1:{gateway};
            proxy_set_header X-Forwarded-Prefix /my%20bikes/spoke;
        }}
    }}
}}
"""
SILENT, NAMED, KEPT = "/silent", "/named", "/my%20bikes/spoke"
COUNT = 20
READING = r'"speed_change"|^ebike-001 '
CSV = "/api/v1/devices/ebike-001/readings?format=csv&limit=2"


@pytest.fixture
def outside(pair: Pair, free_port: Callable[[], int], tmp_path: Path) -> Pair:
    """Start a bike, a gateway and nginx; the URL of the pair is that of nginx."""
    program = server("nginx")
    outside = Pair(pair.start_process, free_port(), pair.live, pair.replay)
    text = NGINX.format(folder=tmp_path, port=outside.web, gateway=pair.web, headers=HEADERS)
    (tmp_path / "nginx.conf").write_text(text)
    pair.start_device(SPOKE_RATE_HZ="50")
    pair.start_gateway(SPOKE_TRUSTED_PROXIES="127.0.0.1")
    pair.start_process([program, "-e", "stderr", "-p", str(tmp_path), "-c", "nginx.conf"])
    eventually(lambda: is_served(outside), what="nginx")
    return outside


def is_served(outside: Pair) -> bool:
    try:
        return outside.get(f"{NAMED}/api/v1/devices/ebike-001").status == 200
    except OSError:
        return False


def start_clients(outside: Pair) -> list[RunningProcess]:
    """Start each client with the URL of the gateway below nginx."""
    url, start = f"{outside.url}{KEPT}", outside.start_process
    stock = [
        outside.watch(
            options={"path": f"{path}/socket.io", "transports": [transport]},
            emit=[["subscribe", {"devices": "*"}]],
        ).process
        for path, transport in ((SILENT, "polling"), (NAMED, "websocket"))
    ]
    return [
        *stock,
        start(["python", "-m", "gateway.watch", f"{url}/"]),
        start(["python", str(ROOT / "examples" / "watch_bikes.py"), f"{url}/"]),
        start(["node", str(ROOT / "examples" / "watch_bikes.mjs"), url]),
    ]


def html(outside: Pair, path: str) -> Answer:
    return outside.get(path, {"Accept": "text/html"})


def test_every_client_below_nginx(outside: Pair) -> None:
    clients = start_clients(outside)
    for path in (SILENT, NAMED, KEPT):
        assert_pages_stay_below(outside, path)
        refused = outside.get(f"{path}/api/v1/devices/other")
        assert (refused.status, refused.json["type"]) == (404, "about:blank")
    for path in (NAMED, KEPT):
        following = re.search(r"<(.*)>", outside.get(path + CSV).headers["Link"])
        assert following is not None
        assert following[1].startswith(f"{path}/")
        assert outside.get(following[1]).text.startswith("v,device_id,")
    for client in clients:
        client.wait_for_line(READING, count=COUNT)


def assert_pages_stay_below(outside: Pair, path: str) -> None:
    # urllib follows redirects: from /spoke to /spoke/, and from /bikes to the page
    for place in ("", "/", "/bikes", "/bikes/ebike-001", "/docs"):
        text = html(outside, path + place).text
        here = f"{path}/docs" if place == "/docs" else f"{path}/"
        links = {urljoin(here, link) for link in re.findall(r'(?:href|src)="([^"#]+)"', text)}
        assert len(links) > 4
        assert [link for link in links if not link.startswith(f"{path}/")] == []
        assert {outside.get(link).status for link in sorted(links)[:5]} == {200}
    assert html(outside, f"{path}/favicon.ico").headers["Content-Type"].startswith("image/svg+xml")
    document = f"{path}/openapi.json"
    base = urljoin(document, outside.get(document).json["servers"][0]["url"])
    devices = outside.get(f"{base.removesuffix('/')}/api/v1/devices").json["devices"]
    assert [device["device_id"] for device in devices] == ["ebike-001"]

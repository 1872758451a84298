"""A gateway under gunicorn: ``gunicorn -c configs/gunicorn.conf.py``. See docs/cluster.md.

All settings come from the places that docs/settings.md lists, except flags. To reload code and
settings, send SIGHUP to gunicorn.
"""

import os
import sys
from pathlib import Path

from gunicorn.arbiter import Arbiter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared.console import tell  # noqa: E402  # the project's folder is on the path now
from shared.errors import SettingsError  # noqa: E402
from shared.settings import load_settings  # noqa: E402

try:
    _settings = load_settings("gateway", [], os.environ, ROOT)
except SettingsError as error:
    tell(f"{error}\n")
    sys.exit(2)  # as python -m gateway does

_host, _port = _settings.gateway_host, _settings.gateway_port

chdir = str(ROOT)
wsgi_app = "gateway.app:create_app"
bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
backlog = 4096  # all browsers may reconnect at once after a reload
workers = 1  # a polling client must reach the process that has its session
worker_class = "gateway.gunicorn_worker.GatewayWorker"
timeout = 30  # a worker whose loop hangs for so long is killed and replaced
graceful_timeout = 10  # the gateway drains within 4 s
control_socket_disable = True


def on_starting(server: Arbiter) -> None:
    """End with 2 if the gateway cannot listen; gunicorn alone would end with 1."""
    from gateway.gunicorn_worker import check_address  # noqa: PLC0415  # slow: settings come first

    check_address(server)

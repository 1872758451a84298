"""The plan of a gateway with given settings, in sentences for ``--check``."""

from collections.abc import Iterator

from shared.addresses import page_url
from shared.settings import Settings


def plan(settings: Settings, sessions: int) -> Iterator[str]:
    """Yield the sentences; ``sessions`` is the number of browsers that it has descriptors for."""
    url = page_url(settings.gateway_host, settings.gateway_port, settings.base_path)
    yield f"listen on {settings.gateway_host} port {settings.gateway_port}, for {url}"
    yield _meet("bikes", settings.device_bind, settings.device_connect)
    yield _meet("the replays of bikes", settings.replay_bind, settings.replay_connect)
    if settings.redis_url is not None:
        yield f"pass on the announcements of {settings.redis_url}"
    yield f"serve at most {sessions} browsers (asked for: {settings.max_connections})"
    yield (
        f"keep {settings.history_readings} readings of each of at most {settings.max_devices}"
        f" bikes, in at most {settings.history_mb} MB"
    )
    yield f"hold at most {settings.outbox_mb} MB that browsers have not read"
    yield f"answer /metrics for {'everybody' if settings.metrics else 'this machine only'}"
    yield f"log lines from {settings.log_level} on to the console and into {settings.log_dir}"


def _meet(whom: str, bind: str | None, connect: tuple[str, ...]) -> str:
    if bind is not None:
        return f"let {whom} connect to {bind}"
    return f"connect to {whom} at {', '.join(connect)}" if connect else f"connect to no {whom}"

"""The plan of a device with given settings, in sentences for ``--check``."""

from collections.abc import Iterator

from shared.settings import Settings


def plan(settings: Settings) -> Iterator[str]:
    """Yield the sentences."""
    size = settings.fleet_size
    bikes = f"the bike {settings.device_id}" if size == 1 else f"{size} bikes"
    yield f"publish {bikes} from the source {settings.source}"
    if settings.source == "simulator":
        yield f"simulate {settings.rate_hz:g} readings a second of each bike"
    yield _meet("publish readings", settings.pub_bind, settings.pub_connect)
    yield _meet("answer questions", settings.replay_bind, settings.replay_connect)
    yield f"keep readings in {settings.journal or 'memory'}"
    if settings.metrics_port is not None:
        yield f"serve metrics on 127.0.0.1 port {settings.metrics_port}"
    yield f"log lines from {settings.log_level} on to the console and into {settings.log_dir}"


def _meet(purpose: str, bind: str | None, connect: tuple[str, ...]) -> str:
    if bind is not None:
        return f"{purpose} for gateways that connect to {bind}"
    return f"{purpose} for the gateways at {', '.join(connect)}" if connect else f"not {purpose}"

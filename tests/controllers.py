"""``python -m tests.controllers PORT …``: virtual Bluetooth controllers in the same air.

Each listens on a TCP port of 127.0.0.1, as ``tcp-client:127.0.0.1:PORT`` of the library bumble.
"""

import asyncio
import sys
from collections.abc import Sequence

from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport import open_transport

READY = "controllers_ready"


async def serve(ports: Sequence[str]) -> None:
    """Serve a controller at each port until the process is ended."""
    air = LocalLink()  # type: ignore[no-untyped-call]  # has no types
    kept = []
    for port in ports:
        transport = await open_transport(f"tcp-server:127.0.0.1:{port}")
        kept.append(
            Controller(
                f"controller at {port}",
                host_source=transport.source,
                host_sink=transport.sink,
                link=air,
            )
        )
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))

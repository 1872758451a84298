"""Print every reading of every bike: .venv/bin/python examples/watch_bikes.py http://localhost:5000."""

import asyncio
import sys
import urllib.parse

import socketio

since: dict[str, str] = {}
login = {"subscribe": {"devices": "*", "since": since}}


def show(reading: dict[str, object]) -> None:
    print(reading["device_id"], reading["seq"], reading["speed_kmh"])
    since.update({"*": "0-0", str(reading["device_id"]): f"{reading['epoch']}-{reading['seq']}"})


async def main(url: str) -> None:
    client = socketio.AsyncClient()  # keeps events in order, unlike socketio.Client
    client.on("speed_change", show)
    path = f"{urllib.parse.urlsplit(url).path}/socket.io"
    await client.connect(url, auth=login, socketio_path=path)
    await client.wait()  # it reconnects by itself and continues after the last reading


asyncio.run(main(sys.argv[1].rstrip("/")))

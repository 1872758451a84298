"""Print every reading of every bike: .venv/bin/python examples/watch_bikes.py http://localhost:5000."""

import asyncio
import sys

import socketio

since: dict[str, str] = {}


def show(reading: dict[str, object]) -> None:
    print(reading["device_id"], reading["seq"], reading["speed_kmh"])
    since.update({"*": "0-0", str(reading["device_id"]): f"{reading['epoch']}-{reading['seq']}"})


async def main() -> None:
    client = socketio.AsyncClient()  # keeps events in order, unlike socketio.Client
    client.on("speed_change", show)
    await client.connect(sys.argv[1], auth=lambda: {"subscribe": {"devices": "*", "since": since}})
    await client.wait()  # it reconnects by itself and continues after the last reading


asyncio.run(main())

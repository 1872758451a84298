"""``python -m tests.controllers PORT …``: virtual Bluetooth controllers in the same air.

Each listens on a TCP port of 127.0.0.1, as ``tcp-client:127.0.0.1:PORT`` of the library bumble.
"""

import asyncio
import sys
from collections.abc import Sequence

from bumble.controller import Controller
from bumble.hci import (
    HCI_ErrorCode,
    HCI_LE_Data_Length_Change_Event,
    HCI_LE_Set_Data_Length_Command,
    HCI_StatusAndConnectionHandleReturnParameters,
)
from bumble.link import LocalLink
from bumble.transport import open_transport

READY = "controllers_ready"


class LongController(Controller):
    """A controller that agrees to long packets, as real ones do; the library's refuses to."""

    def on_hci_le_set_data_length_command(
        self, command: HCI_LE_Set_Data_Length_Command
    ) -> HCI_StatusAndConnectionHandleReturnParameters:
        handle, size, time_us = command.connection_handle, command.tx_octets, command.tx_time
        self.send_hci_packet(HCI_LE_Data_Length_Change_Event(handle, size, time_us, size, time_us))
        return HCI_StatusAndConnectionHandleReturnParameters(HCI_ErrorCode.SUCCESS, handle)


async def serve(ports: Sequence[str]) -> None:
    """Serve a controller at each port until the process is ended."""
    air = LocalLink()  # type: ignore[no-untyped-call]  # has no types
    kept = []
    for port in ports:
        transport = await open_transport(f"tcp-server:127.0.0.1:{port}")
        kept.append(
            LongController(
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

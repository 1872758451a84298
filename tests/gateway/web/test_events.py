"""What becomes of requests whose client has left: a gateway with a real WebSocket."""

from contextlib import ExitStack

from gateway.hub import ANSWERS_ABOUT_ALL
from tests.gateway.apps import gateway_of, make_app
from tests.gateway.transport.clients import WebSocketClient, connect_namespace, until
from tests.gateway.transport.servers import end, serve


def test_client_that_left_is_not_subscribed() -> None:
    app = make_app()
    gateway = gateway_of(app)
    hub, line = gateway.hub, gateway.hub._answers_about_all
    with ExitStack() as stack:
        port = stack.enter_context(serve(app))
        stack.callback(end, gateway.server.server.eio)
        client = WebSocketClient(port)
        connect_namespace(client)
        for _ in range(ANSWERS_ABOUT_ALL):
            line.acquire()
        (known,) = hub.fanout.clients.values()
        client.text('42["subscribe",{"devices":"*","since":{"*":"0-0"}}]')
        until(line.linkcount)  # it waits in line
        client.close()
        until(lambda: not gateway.server.server.eio.sockets)
        for _ in range(ANSWERS_ABOUT_ALL):
            line.release()
        until(lambda: not hub.fanout.clients)
        assert not known.everything

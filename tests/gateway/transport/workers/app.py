"""An ``EngineServer`` alone that returns every message, for gunicorn: ``app:app``."""

from typing import Any

import engineio

from gateway.transport import EngineServer

engine = EngineServer()
engine.on("message", engine.send)
app: Any = engineio.WSGIApp(engine)

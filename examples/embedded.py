"""A gateway in another application: .venv/bin/python -m examples.embedded, then open /spoke/."""

import sys

from flask import Flask

from gateway.embedding import embed
from gateway.transport import WebServer

app = Flask(__name__)
embed(app, at="/spoke")


@app.get("/")
def home() -> str:
    return '<a href="spoke/">The bikes</a>'


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    WebServer(("127.0.0.1", port), app, log=None).serve_forever()

"""The example of an embedded gateway on Flask's own server, which cannot serve it."""

import sys

from examples.embedded import app

if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), threaded=False)

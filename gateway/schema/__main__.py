"""``python -m gateway.schema [asyncapi|openapi]``: print one or both of the API documents."""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import json
import sys
from collections.abc import Sequence
from functools import partial

from gateway.schema.asyncapi import asyncapi
from gateway.schema.openapi import openapi
from shared.arguments import ArgumentParser
from shared.console import put_out
from shared.program import run

DESCRIPTION = "Print one or both of the gateway's API documents as JSON."
DOCUMENTS = {"asyncapi": asyncapi, "openapi": openapi}


def main(arguments: Sequence[str]) -> int:
    """Print one document, or without a name a JSON object that has both."""
    parser = ArgumentParser(".venv/bin/python -m gateway.schema", description=DESCRIPTION)
    parser.add_argument("name", nargs="?", choices=DOCUMENTS)
    name = parser.parse_args(arguments).name
    made = {key: make() for key, make in DOCUMENTS.items() if name in (None, key)}
    text = json.dumps(made[name] if name else made, indent=2, ensure_ascii=False)
    put_out(f"{text}\n")
    return 0


if __name__ == "__main__":
    run(partial(main, sys.argv[1:]))

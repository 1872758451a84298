"""``python -m gateway.schema [asyncapi|openapi]``: print the documents, both or one."""

import argparse
import json
import sys
from collections.abc import Sequence

from gateway.schema.addresses import openapi
from gateway.schema.events import asyncapi

DOCUMENTS = {"asyncapi": asyncapi, "openapi": openapi}


def main(arguments: Sequence[str]) -> None:
    """Print one document, or an object of both by their names."""
    parser = argparse.ArgumentParser(".venv/bin/python -m gateway.schema", description=__doc__)
    parser.add_argument("name", nargs="?", choices=DOCUMENTS)
    name = parser.parse_args(arguments).name
    made = {key: make() for key, make in DOCUMENTS.items() if name in (None, key)}
    json.dump(made[name] if name else made, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])

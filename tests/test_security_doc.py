"""SECURITY.md names tests that are there, for each claim, and says where processes listen."""

import ast
import re
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.settings import load_settings
from tests.processes import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/.-]+\.py)::(\w+)`")
CLAIM = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)
HEADINGS = ("| a stranger cannot | test |", "| a stranger can | test |")


def claims() -> dict[str, list[tuple[str, str]]]:
    """Return each line of the tables of claims, with the tests that it names."""
    tables = [table for table in PAGE.split("\n\n") if table.startswith(HEADINGS)]
    rows = [row for table in tables for row in CLAIM.findall("\n".join(table.split("\n")[2:]))]
    return {claim: NAMED.findall(cell) for claim, cell in rows}


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def test_every_claim_names_a_test() -> None:
    assert len(claims()) > 20
    assert [claim for claim, named in claims().items() if not named] == []


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(PAGE))))
def test_every_test_that_is_named_is_there(path: str, name: str) -> None:
    assert name in names_in(path)


def test_every_test_of_strangers_is_named() -> None:
    path = "tests/system/test_strangers.py"
    assert {(path, name) for name in names_in(path)} <= set(NAMED.findall(PAGE))


def test_by_default_nothing_listens_beyond_this_machine(tmp_path: Path) -> None:
    gateway = load_settings("gateway", [], {}, tmp_path)
    device = load_settings("device", [], {}, tmp_path)
    assert (gateway.device_bind, gateway.replay_bind) == (None, None)
    bound = [device.pub_bind, device.replay_bind, f"tcp://{gateway.gateway_host}"]
    hosts = [urlsplit(endpoint).hostname for endpoint in bound if endpoint is not None]
    assert [ip_address(host).is_loopback for host in hosts if host] == [True] * 3

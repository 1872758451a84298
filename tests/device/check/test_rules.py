"""Each rule of the check has a publisher in these tests that breaks it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from device.check.sequence import _COUNTED
from tests.processes import ROOT

CHECK = ROOT / "device" / "check"
TESTS = Path(__file__).parent
REASONS = ("bad_frames", "bad_topic", "bad_json", "id_mismatch", "invalid", "too_large")
"""The gateway's decoder refuses a message, and the check repeats it."""


def noted_codes() -> Iterator[str]:
    """Yield the codes with which the modules of the check note faults and advice."""
    for path in CHECK.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.search(
                r"\b(wrong|advise)$", ast.unparse(node.func)
            ):
                code = node.args[1]
                if isinstance(code, ast.Constant):
                    yield str(code.value)


def test_every_rule_is_broken_by_a_publisher() -> None:
    codes = {*noted_codes(), *REASONS, *(code for code, _rule in _COUNTED.values()), "not_taken"}
    assert len(codes) > 40
    tests = "".join(path.read_text() for path in TESTS.glob("test_*.py") if path != Path(__file__))
    assert sorted(code for code in codes if f'"{code}"' not in tests) == []

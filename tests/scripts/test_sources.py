"""Which files are checked as shell scripts and as JavaScript."""

from pathlib import Path

from scripts.sources import javascript_files, shell_scripts
from tests.processes import ROOT


def names(files: list[str]) -> set[str]:
    return {str(Path(file).relative_to(ROOT)) for file in files}


def test_shell_scripts_by_first_line() -> None:
    found = names(shell_scripts(ROOT))
    assert {"scripts/install", "scripts/test", "scripts/common.sh", ".ci/run"} <= found
    assert not any(name.endswith((".py", ".mjs")) for name in found)


def test_javascript_without_libraries() -> None:
    found = names(javascript_files(ROOT))
    assert {"gateway/static/spoke.js", "scripts/vendor.mjs"} <= found
    assert not any("vendor/" in name or "node_modules" in name for name in found)

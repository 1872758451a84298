"""The commit is named where it is known, and never that of another project."""

import subprocess
from pathlib import Path

from shared.about import COMMIT_FILE, commit


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_commit_of_git(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    head = commit(tmp_path)
    assert len(head) >= 7
    assert set(head) <= set("0123456789abcdef")
    (inner := tmp_path / "spoke").mkdir()
    assert commit(inner) == "unknown"
    (inner / COMMIT_FILE).write_text("abc1234\n")
    assert commit(inner) == "abc1234"

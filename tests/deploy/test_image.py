"""The Dockerfile and .dockerignore agree with the files that exist.

``scripts/image-test`` builds the image and runs it.
"""

import json
import re

from tests.deploy import dockerfile
from tests.processes import ROOT

IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
PACKAGES = ("shared", "device", "gateway")


def sources() -> set[str]:
    return {path for copy in dockerfile.copies() if not copy.stage for path in copy.sources}


def test_copied_sources_exist() -> None:
    assert sources()
    assert [path for path in sources() if not (ROOT / path).exists()] == []


def test_only_copied_sources_are_sent_to_the_builder() -> None:
    assert "*" in IGNORED
    assert {line[1:] for line in IGNORED if line.startswith("!")} == sources()


def test_stages_that_are_copied_from_exist() -> None:
    stages = set(re.findall(r"FROM \S+ AS (\w+)", "\n".join(dockerfile.LINES)))
    assert {copy.stage for copy in dockerfile.copies()} - {None} == stages


def test_packages_and_their_settings_are_in_the_image() -> None:
    assert {f"{package}/" for package in (*PACKAGES, "configs")} <= sources()


def test_signals_reach_python() -> None:
    [check] = dockerfile.arguments("HEALTHCHECK")
    [command] = dockerfile.arguments("CMD")
    assert json.loads(check.partition("CMD ")[2])[0] == "python"
    assert json.loads(command) == ["python", "-m", "gateway"]
    assert dockerfile.arguments("ENTRYPOINT") == []


def test_user_is_a_number_other_than_root() -> None:
    assert [int(user.partition(":")[0]) > 0 for user in dockerfile.arguments("USER")] == [True]


def test_what_is_written_lies_in_the_volume() -> None:
    [volume], environ = dockerfile.arguments("VOLUME"), dockerfile.environment()
    for name in ("SPOKE_JOURNAL", "SPOKE_LOG_DIR"):
        assert environ[name].startswith(f"{volume}/")

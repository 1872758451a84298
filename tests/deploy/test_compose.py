"""compose.yaml agrees with the settings that exist, and with the files it mounts."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.setting_table import PREFIX, SETTINGS, Role
from shared.settings import Settings, load_settings
from tests.deploy import dockerfile
from tests.processes import ROOT
from tests.servers import server

FILE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
EVERYWHERE = "0.0.0.0"  # noqa: S104  # text
GATEWAYS = ("gateway-1", "gateway-2")
OURS = ("device", *GATEWAYS)
NETWORK: dict[str, Any] = FILE["networks"]["default"]["ipam"]["config"][0]


def environment(name: str) -> dict[str, str]:
    """Return the environment of a service: the image's, and the service's own on top."""
    own: dict[str, str] = SERVICES[name].get("environment", {})
    return dockerfile.environment() | own


def settings(name: str, folder: Path) -> Settings:
    """Read the settings as the process in the container does."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    command = SERVICES[name].get("command", ["python", "-m", "gateway"])
    role: Role = "device" if name == "device" else "gateway"
    assert command == ["python", "-m", role]
    return load_settings(role, [], environment(name), folder)


def test_services() -> None:
    assert set(SERVICES) == {*OURS, "redis", "haproxy"}


@pytest.mark.parametrize("name", OURS)
def test_settings_exist_and_are_valid(name: str, tmp_path: Path) -> None:
    named = {key for key in environment(name) if key.startswith(PREFIX)}
    assert named - set(SETTINGS) == set()
    assert settings(name, tmp_path).ignored == ()


@pytest.mark.parametrize("name", OURS)
def test_log_is_json(name: str, tmp_path: Path) -> None:
    assert settings(name, tmp_path).log_format == "json"


@pytest.mark.parametrize("name", GATEWAYS)
def test_gateway_connects_to_the_device(name: str, tmp_path: Path) -> None:
    device, gateway = settings("device", tmp_path / "1"), settings(name, tmp_path / "2")
    assert device.pub_bind is not None
    assert device.replay_bind is not None
    assert gateway.device_connect == (device.pub_bind.replace(EVERYWHERE, "device"),)
    assert gateway.replay_connect == (device.replay_bind.replace(EVERYWHERE, "device"),)


@pytest.mark.parametrize("name", GATEWAYS)
def test_gateway_trusts_haproxy_only(name: str, tmp_path: Path) -> None:
    address = SERVICES["haproxy"]["networks"]["default"]["ipv4_address"]
    assert settings(name, tmp_path).trusted_proxies == (f"{address}/32",)
    assert NETWORK["subnet"].startswith(address.rpartition(".")[0])


def test_one_service_builds_the_image_of_all() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {"spoke"}
    assert [name for name in SERVICES if "build" in SERVICES[name]] == ["device"]


def test_mounted_files_and_volumes_exist() -> None:
    mounts = [
        mount.split(":")[0] for each in SERVICES.values() for mount in each.get("volumes", ())
    ]
    volumes = {source for source in mounts if not source.startswith("./")}
    assert volumes == set(FILE["volumes"])
    assert [
        source for source in mounts if source not in volumes and not (ROOT / source).is_file()
    ] == []


def test_only_haproxy_is_published_and_only_to_this_machine() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert published == {"haproxy": ["127.0.0.1:5000:5000"]}


def test_haproxy_accepts_its_configuration_and_knows_the_gateways() -> None:
    config = ROOT / "configs" / "haproxy-compose.cfg"
    done = subprocess.run(
        [server("haproxy"), "-c", "-f", config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in config.read_text(encoding="utf-8").splitlines()]
    servers = {words[1]: words[2] for words in lines if words and words[0] == "server"}
    assert servers == {name: f"{name}:5000" for name in GATEWAYS}

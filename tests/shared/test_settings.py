"""Where settings come from, which place wins, and what is said of wrong ones."""

from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsError
from shared.setting_table import OTHER_OF_PAIR, SETTINGS, Role
from shared.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
BINDS = [name for name in OTHER_OF_PAIR if name.endswith("_BIND")]


class Place:
    """A project folder of its own, with what is written into it and around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ: dict[str, str] = {}
        self.argv: list[str] = []
        (folder / "configs").mkdir()

    def load(self, role: Role = "gateway") -> Settings:
        return load_settings(role, self.argv, self.environ, self.folder)

    def complaint(self, role: Role = "gateway") -> str:
        with pytest.raises(SettingsError) as caught:
            self.load(role)
        return str(caught.value)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def set_in(self, layer: str, name: str, value: str) -> None:
        """Set one setting in a layer: config, dotenv, environ or flag."""
        if layer == "config":
            self.write("configs/development.env", f"{name}={value}\n")
        elif layer == "dotenv":
            self.write(".env", f"{name}={value}\n")
        elif layer == "environ":
            self.environ[name] = value
        else:
            self.argv += [SETTINGS[name].flag, value]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- which place wins --------------------------------------------------------------------------


def test_what_nobody_sets_is_the_default(place: Place) -> None:
    settings = place.load()
    assert settings.env == "development"
    assert settings.rate_hz == 10
    assert settings.gateway_port == 5000
    assert settings.seed is None
    assert settings.devices == ()


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("config", "dotenv"), ("dotenv", "environ"), ("environ", "flag"), ("config", "flag")],
)
def test_the_later_place_wins(place: Place, lower: str, higher: str) -> None:
    place.set_in(lower, "SPOKE_RATE_HZ", "20")
    assert place.load().rate_hz == 20
    place.set_in(higher, "SPOKE_RATE_HZ", "30")
    assert place.load().rate_hz == 30


@pytest.mark.parametrize("layer", ["dotenv", "environ", "flag"])
def test_empty_value_sets_nothing(place: Place, layer: str) -> None:
    place.set_in("config", "SPOKE_RATE_HZ", "20")
    place.set_in(layer, "SPOKE_RATE_HZ", "")
    if layer == "flag":
        assert "--rate-hz needs a value" in place.complaint()
    else:
        assert place.load().rate_hz == 20


def test_gateway_port_precedence(place: Place) -> None:
    place.set_in("environ", "SPOKE_GATEWAY_PORT", "6001")
    assert place.load().gateway_port == 6001
    place.environ["PORT"] = "6002"
    assert place.load().gateway_port == 6002
    place.set_in("flag", "SPOKE_GATEWAY_PORT", "6003")
    assert place.load().gateway_port == 6003


def test_a_wrong_port_is_named_as_port(place: Place) -> None:
    place.environ["PORT"] = "http"
    assert "SPOKE_GATEWAY_PORT = 'http' (from PORT): must be a whole number" in place.complaint()


def test_the_device_does_not_mind_port(place: Place) -> None:
    place.environ["PORT"] = "http"
    assert place.load("device").gateway_port == 5000


@pytest.mark.parametrize("layer", ["dotenv", "environ", "flag"])
def test_the_environments_name_picks_the_file(place: Place, layer: str) -> None:
    place.write("configs/production.env", "SPOKE_RATE_HZ=2\n")
    place.write("configs/development.env", "SPOKE_RATE_HZ=3\n")
    place.set_in(layer, "SPOKE_ENV", "production")
    settings = place.load()
    assert (settings.env, settings.rate_hz) == ("production", 2)


def test_missing_config_file_lists_others(place: Place) -> None:
    place.write("configs/production.env", "")
    place.write("configs/test.env", "")
    place.environ["SPOKE_ENV"] = "prodution"
    text = place.complaint()
    assert "there is no prodution.env" in text
    assert "there is production, test; did you mean production?" in text


def test_missing_configs_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is none at all"):
        load_settings("gateway", ["--env", "production"], {}, tmp_path)


def test_default_config_file_is_optional(tmp_path: Path) -> None:
    assert load_settings("gateway", [], {}, tmp_path).env == "development"


@pytest.mark.parametrize("name", ["../production", "/etc/passwd", "Production", "."])
def test_the_environments_name_is_no_path(place: Place, name: str) -> None:
    place.write("configs/production.env", "")
    place.environ["SPOKE_ENV"] = name
    assert "must be the name of a file in configs/" in place.complaint()


def test_a_config_file_cannot_pick_itself(place: Place) -> None:
    place.write("configs/development.env", "SPOKE_ENV=production\n")
    assert "SPOKE_ENV (configs/development.env): it picks this file" in place.complaint()


def test_relative_paths_start_in_the_projects_folder(place: Place) -> None:
    place.set_in("dotenv", "SPOKE_JOURNAL", "data/rides.sqlite")
    place.set_in("environ", "SPOKE_LOG_DIR", "/var/log/spoke")
    settings = place.load("device")
    assert settings.journal == place.folder / "data/rides.sqlite"
    assert settings.log_dir == Path("/var/log/spoke")


# --- BIND or CONNECT ---------------------------------------------------------------------------


def test_default_endpoints(place: Place) -> None:
    device, gateway = place.load("device"), place.load("gateway")
    assert (device.replay_bind, device.replay_connect) == ("tcp://127.0.0.1:5557", ())
    assert (gateway.replay_bind, gateway.replay_connect) == (None, ("tcp://127.0.0.1:5557",))
    assert (device.pub_bind, device.pub_connect) == ("tcp://127.0.0.1:5556", ())
    assert (gateway.device_bind, gateway.device_connect) == (None, ("tcp://127.0.0.1:5556",))


@pytest.mark.parametrize("role", ["device", "gateway"])
@pytest.mark.parametrize("bind", BINDS)
def test_binding_takes_back_a_connect_from_below(place: Place, bind: str, role: Role) -> None:
    connect = OTHER_OF_PAIR[bind]
    place.set_in("dotenv", connect, "tcp://10.0.0.8:7001")
    place.set_in("environ", bind, "tcp://127.0.0.1:7002")
    settings = place.load(role)
    assert getattr(settings, SETTINGS[bind].field) == "tcp://127.0.0.1:7002"
    assert getattr(settings, SETTINGS[connect].field) == ()


@pytest.mark.parametrize("role", ["device", "gateway"])
@pytest.mark.parametrize("bind", BINDS)
def test_connecting_takes_back_a_bind_from_below(place: Place, bind: str, role: Role) -> None:
    connect = OTHER_OF_PAIR[bind]
    place.set_in("config", bind, "tcp://127.0.0.1:7002")
    place.set_in("flag", connect, "tcp://10.0.0.8:7001,tcp://10.0.0.9:7001")
    settings = place.load(role)
    assert getattr(settings, SETTINGS[bind].field) is None
    assert getattr(settings, SETTINGS[connect].field) == (
        "tcp://10.0.0.8:7001",
        "tcp://10.0.0.9:7001",
    )


@pytest.mark.parametrize("layer", ["environ", "flag"])
@pytest.mark.parametrize("bind", BINDS)
def test_both_of_pair_in_one_place(place: Place, bind: str, layer: str) -> None:
    connect = OTHER_OF_PAIR[bind]
    place.set_in(layer, bind, "tcp://127.0.0.1:7002")
    place.set_in(layer, connect, "tcp://10.0.0.8:7001")
    text = place.complaint()
    assert f"{bind} and {connect} (" in text
    assert text.count("a socket binds or connects") == 1


def test_both_of_pair_in_one_file(place: Place) -> None:
    place.write(".env", "SPOKE_PUB_CONNECT=tcp://a:1\nSPOKE_PUB_BIND=tcp://b:1\n")
    assert "SPOKE_PUB_BIND and SPOKE_PUB_CONNECT (.env)" in place.complaint("device")


def test_copy_of_dotenv_is_not_second_place(place: Place) -> None:
    place.set_in("dotenv", "SPOKE_PUB_BIND", "tcp://127.0.0.1:7001")
    place.environ = {
        "SPOKE_PUB_BIND": "tcp://127.0.0.1:7001",
        "SPOKE_PUB_CONNECT": "tcp://10.0.0.8:7001",
    }
    settings = place.load("device")
    assert (settings.pub_bind, settings.pub_connect) == (None, ("tcp://10.0.0.8:7001",))


@pytest.mark.parametrize("role", ["device", "gateway"])
def test_one_endpoint_cannot_serve_two_sockets(place: Place, role: Role) -> None:
    own = {"device": "SPOKE_PUB_BIND", "gateway": "SPOKE_DEVICE_BIND"}[role]
    for name in (own, "SPOKE_REPLAY_BIND"):
        place.environ[name] = "tcp://0.0.0.0:7001"
    assert f"{own} and SPOKE_REPLAY_BIND are both tcp://0.0.0.0:7001" in place.complaint(role)


# --- what is wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["config", "dotenv"])
@pytest.mark.parametrize("name", ["SPOKE_RAET_HZ", "spoke_rate_hz"])
def test_unknown_name_gets_suggestion(place: Place, layer: str, name: str) -> None:
    place.set_in(layer, name, "20")
    text = place.complaint()
    assert text.startswith(name)
    assert "there is no such setting; did you mean SPOKE_RATE_HZ?" in text


def test_unknown_name_without_suggestion(place: Place) -> None:
    place.write(".env", "SPOKE_XYZZY=1\n")
    assert place.complaint() == "SPOKE_XYZZY (.env): there is no such setting"


@pytest.mark.parametrize("name", ["SPOKE_RAET_HZ", "spoke_rate_hz"])
def test_unknown_environment_name_is_ignored(place: Place, name: str) -> None:
    place.environ = {name: "20", "SPOKE_SEED": "7"}
    settings = place.load("device")
    assert (settings.rate_hz, settings.seed) == (10, 7)
    assert settings.ignored == (
        f"{name} (the environment): there is no such setting; did you mean SPOKE_RATE_HZ?",
    )


def test_unknown_name_copied_from_dotenv(place: Place) -> None:
    place.write(".env", "SPOKE_RAET_HZ=20\n")
    place.environ = {"SPOKE_RAET_HZ": "20"}
    assert place.complaint().startswith("SPOKE_RAET_HZ (.env)")


def test_kubernetes_service_names_are_ignored(place: Place) -> None:
    place.environ = {
        f"{service}{name}": text
        for service in ("SPOKE", "SPOKE_GATEWAY")
        for name, text in {
            "_SERVICE_HOST": "10.0.0.7",
            "_SERVICE_PORT": "5000",
            "_SERVICE_PORT_HTTP": "5000",
            "_PORT": "tcp://10.0.0.7:5000",
            "_PORT_5000_TCP": "tcp://10.0.0.7:5000",
            "_PORT_5000_TCP_PROTO": "tcp",
            "_PORT_5000_TCP_PORT": "5000",
            "_PORT_5000_TCP_ADDR": "10.0.0.7",
        }.items()
    }
    settings = place.load()
    assert settings.gateway_port == 5000
    assert len(settings.ignored) == len(place.environ)
    place.environ["SPOKE_GATEWAY_PORT"] = "6000"  # in the pod's specification: it is meant
    assert place.load().gateway_port == 6000


def test_url_as_port_without_service(place: Place) -> None:
    place.environ = {"SPOKE_GATEWAY_PORT": "tcp://10.0.0.7:5000"}
    assert "from 1 to 65535" in place.complaint()


def test_names_of_others_are_not_minded(place: Place) -> None:
    place.write(".env", "DATABASE_URL=x\nRATE_HZ=3\n")
    place.environ = {"HOME": "/", "LOG_LEVEL": "nonsense"}
    assert place.load().rate_hz == 10


def test_all_that_is_wrong_is_said_together(place: Place) -> None:
    place.write("configs/development.env", "SPOKE_FLEET_SIZE=many\n")
    place.write(".env", "SPOKE_LOG_LEVL=INFO\nSPOKE_SEED\n")
    place.environ = {"SPOKE_HISTORY_MB": "-1", "SPOKE_PUB_BIND": "localhost:5556", "PORT": "x"}
    place.argv = ["--rate-hz", "fast", "--seeed", "--replay-bind=tcp://*:1"]
    place.argv += ["--replay-connect=tcp://*:1"]
    text = place.complaint()
    assert text.splitlines()[0] == "10 settings are wrong:"
    for part in (
        "SPOKE_FLEET_SIZE = 'many' (configs/development.env): must be a whole number",
        "SPOKE_LOG_LEVL (.env): there is no such setting; did you mean SPOKE_LOG_LEVEL?",
        ".env, line 2: must be NAME=value",
        "SPOKE_HISTORY_MB = '-1' (the environment)",
        "SPOKE_PUB_BIND = 'localhost:5556' (the environment)",
        "SPOKE_GATEWAY_PORT = 'x' (from PORT)",
        "SPOKE_RATE_HZ = 'fast' (a flag)",
        "--seeed: there is no such flag; did you mean --seed?",
        "SPOKE_REPLAY_BIND and SPOKE_REPLAY_CONNECT (a flag)",
        "SPOKE_REPLAY_CONNECT = 'tcp://*:1' (a flag)",
    ):
        assert part in text


@pytest.mark.parametrize("layer", ["config", "dotenv", "environ"])
def test_value_of_unknown_name_is_hidden(place: Place, layer: str) -> None:
    if layer == "environ":
        place.environ["SPOKE_JWT_KEY"] = "open-sesame"
        text = "".join(place.load().ignored)
    else:
        name = {"config": "configs/development.env", "dotenv": ".env"}[layer]
        place.write(name, "SPOKE_JWT_KEY=open-sesame\n")
        text = place.complaint()
    assert "SPOKE_JWT_KEY" in text
    assert "sesame" not in text


def test_value_with_password_is_hidden(place: Place) -> None:
    place.environ["SPOKE_REDIS_URL"] = "redes://:open-sesame@localhost"
    text = place.complaint()
    assert text.startswith("SPOKE_REDIS_URL = (hidden) (the environment): must be redis://")
    assert "sesame" not in text


@pytest.mark.parametrize(
    "argv", [["--rate-hzz", "open-sesame"], ["--rate-hzz=open-sesame"]], ids=["apart", "in one"]
)
def test_value_of_unknown_flag_is_hidden(place: Place, argv: list[str]) -> None:
    place.argv = argv
    assert place.complaint() == "--rate-hzz: there is no such flag; did you mean --rate-hz?"


def test_unbuilt_choice_is_refused(place: Place) -> None:
    place.environ["SPOKE_AUTH"] = "jwt"
    text = place.complaint()
    assert text.startswith("SPOKE_AUTH")
    assert "not in this version" in text


def test_a_fleet_takes_no_name(place: Place) -> None:
    place.environ = {"SPOKE_FLEET_SIZE": "12", "SPOKE_DEVICE_ID": "my-bike"}
    assert "a fleet is named ebike-001 to ebike-012" in place.complaint("device")
    place.environ["SPOKE_DEVICE_ID"] = "ebike-001"
    assert place.load("device").fleet_size == 12


def test_control_characters_are_refused_and_not_printed(place: Place) -> None:
    place.environ["SPOKE_SOURCE"] = "ride:a\x1b[2Jb"
    assert "SPOKE_SOURCE = 'ride:a\\x1b[2Jb'" in place.complaint()


def test_long_value_is_shortened(place: Place) -> None:
    place.environ["SPOKE_DEVICE_ID"] = "b" * 100_000
    assert len(place.complaint()) < 300


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SPOKE_DEVICE_ID=my-bike",
        "SPOKE_DEVICE_ID=my-bike\r\nSPOKE_SEED=1\r\n",
        "\ufeffSPOKE_DEVICE_ID=my-bike\n",
        "export SPOKE_DEVICE_ID=my-bike\n",
        "SPOKE_DEVICE_ID='my-bike'\n",
        'SPOKE_DEVICE_ID="my-bike"\n',
        "  SPOKE_DEVICE_ID = my-bike   # the red one\n",
        "# a comment\n\nSPOKE_DEVICE_ID=my-bike\nSPOKE_SEED=\n",
        "SPOKE_DEVICE_ID=other\nSPOKE_DEVICE_ID=my-bike\n",
    ],
    ids=["plain", "crlf", "bom", "export", "single", "double", "spaces", "empty", "twice"],
)
def test_env_file_forms(place: Place, text: str) -> None:
    (place.folder / ".env").write_bytes(text.encode())
    assert place.load("device").device_id == "my-bike"


def test_nothing_in_a_value_is_replaced(place: Place) -> None:
    place.write(".env", "SPOKE_SOURCE=ride:$HOME/${USER}.gpx\n")
    place.environ["HOME"] = "/home/x"
    assert place.load("device").source == "ride:$HOME/${USER}.gpx"


@pytest.mark.parametrize("line", ["SPOKE_SEED", "SPOKE_SEED 7", "SPOKE_SEED='7", "=7"])
def test_unreadable_line_has_number(place: Place, line: str) -> None:
    place.write(".env", f"SPOKE_RATE_HZ=20\n{line}\n")
    assert place.complaint() == ".env, line 2: must be NAME=value"


def test_env_file_not_utf_8(place: Place) -> None:
    (place.folder / ".env").write_bytes("SPOKE_SEED=7\n".encode("utf-16"))
    assert place.complaint() == ".env is not UTF-8 text: save it as UTF-8"


def test_folder_instead_of_env_file(place: Place) -> None:
    (place.folder / ".env").mkdir()
    assert place.complaint() == ".env cannot be read: Is a directory"


# --- flags -------------------------------------------------------------------------------------


def test_switch_without_value(place: Place) -> None:
    place.argv = ["--ride-loop", "--auto-subscribe", "no"]
    settings = place.load()
    assert (settings.ride_loop, settings.auto_subscribe) == (True, False)


def test_repeated_flags(place: Place) -> None:
    place.argv = ["--devices", "a,b", "--devices=c", "--seed", "1", "--seed=2"]
    settings = place.load()
    assert (settings.devices, settings.seed) == (("a", "b", "c"), 2)


def test_a_flag_cannot_be_shortened(place: Place) -> None:
    place.argv = ["--rate", "20"]
    assert place.complaint() == "--rate: there is no such flag; did you mean --rate-hz?"


def test_flag_without_value(place: Place) -> None:
    place.argv = ["--rate-hz"]
    assert place.complaint() == "--rate-hz needs a value"


def test_word_without_flag(place: Place) -> None:
    place.argv = ["start"]
    assert place.complaint() == "'start': a value needs a flag in front of it"


@pytest.mark.parametrize("role", ["device", "gateway"])
def test_help_lists_every_setting_as_a_flag(
    place: Place, role: Role, capsys: pytest.CaptureFixture[str]
) -> None:
    place.argv = ["--help"]
    with pytest.raises(SystemExit) as caught:
        place.load(role)
    assert caught.value.code == 0
    words = capsys.readouterr().out.split()
    assert f"python -m {role}" in " ".join(words)
    assert [row.flag for row in SETTINGS.values() if row.flag not in words] == []


# --- the table ---------------------------------------------------------------------------------


def test_settings_cannot_be_changed(place: Place) -> None:
    settings: Any = place.load()
    with pytest.raises(AttributeError):
        settings.rate_hz = 20


# --- the files that come with Spoke --------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path: Path) -> Place:
    """Give a project folder with the configs of this checkout, and without its ``.env``."""
    place = Place(tmp_path)
    for path in (ROOT / "configs").glob("*.env"):
        place.write(f"configs/{path.name}", path.read_text(encoding="utf-8"))
    return place


@pytest.mark.parametrize("role", ["device", "gateway"])
@pytest.mark.parametrize("env", ["development", "production", "test"])
def test_each_environment_loads(shipped: Place, role: Role, env: str) -> None:
    shipped.environ["SPOKE_ENV"] = env
    assert shipped.load(role).env == env


def test_development_keeps_a_journal(shipped: Place) -> None:
    assert shipped.load("device").journal == shipped.folder / "data/journal.sqlite"


def test_production_is_closed_and_logs_for_machines(shipped: Place) -> None:
    shipped.environ["SPOKE_ENV"] = "production"
    settings = shipped.load()
    assert (settings.log_format, settings.log_level) == ("json", "INFO")
    assert (settings.gateway_host, settings.cors_origins) == ("127.0.0.1", ())
    assert not settings.auto_subscribe


def test_test_environment_is_quiet(shipped: Place) -> None:
    shipped.environ["SPOKE_ENV"] = "test"
    settings = shipped.load("device")
    assert (settings.log_level, settings.seed) == ("WARNING", 1)


@pytest.mark.parametrize("role", ["device", "gateway"])
@pytest.mark.parametrize("below", ["", "logs", "a/b/c"])
def test_a_log_folder_that_is_a_file(tmp_path: Path, role: Role, below: str) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(SettingsError, match=r"SPOKE_LOG_DIR = .* is not a folder") as caught:
        load_settings(role, ["--log-dir", str(tmp_path / "file" / below)], {}, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["n" * 300, "circle"])
def test_a_log_folder_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(SettingsError, match="SPOKE_LOG_DIR"):
        load_settings("gateway", ["--log-dir", str(tmp_path / name)], {}, tmp_path)


def test_a_log_folder_that_can_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "logs"
    assert load_settings("gateway", ["--log-dir", str(folder)], {}, tmp_path).log_dir == folder

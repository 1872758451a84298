import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.durable.epoch_file import EpochFile
from device.durable.journal import LOG_AGAIN_S, RETRY_S, Clocks, DurableJournal
from device.durable.numbers import Mark
from device.durable.store import AGE_MAX_MS, APPLICATION_ID
from device.journal import Numbered
from shared.cursor import Cursor
from shared.errors import JournalError

NOW_MS = 1_700_000_000_000
BIKES = ("ebike-001", "ebike-002")


@dataclass
class FakeClock:
    """Both clocks of a process, moved by the test."""

    wall_ms: int = NOW_MS
    monotonic_s: float = 1_000.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall_ms, lambda: self.monotonic_s)


class Rider:
    """Numbers and keeps readings as the publisher does; remembers what went out."""

    def __init__(self, path: Path, clock: FakeClock, bikes: tuple[str, ...] = BIKES) -> None:
        self.journal = DurableJournal(path, bikes, clock.clocks)
        self.epoch = self.journal.beginning.epoch
        self.seqs = dict.fromkeys(bikes, 0) | dict(self.journal.beginning.last_seqs)
        self.published: list[Numbered] = []

    def ride(self, *bikes: str) -> list[Cursor]:
        """Publish a reading of each bike in one batch; returns their positions."""
        batch = [self._number(bike) for bike in bikes or BIKES[:1]]
        epoch = self.journal.keep(batch)
        if epoch is not None:
            self.epoch, self.seqs = epoch, dict.fromkeys(self.seqs, 0)
            batch = [self._number(one.device_id) for one in batch]
            assert self.journal.keep(batch) is None
        self.published += batch
        return [one.cursor for one in batch]

    def _number(self, bike: str) -> Numbered:
        self.seqs[bike] += 1
        cursor = Cursor(self.epoch, self.seqs[bike])
        return Numbered(bike, cursor, payload(bike, cursor))

    def held(self, bike: str = BIKES[0]) -> list[bytes]:
        return list(self.journal.page(bike, None, 100_000).payloads)


def payload(bike: str, cursor: Cursor) -> bytes:
    return f"{bike} {cursor} {'x' * 250}".encode()


def payloads(*cursors: Cursor, bike: str = BIKES[0]) -> list[bytes]:
    return [payload(bike, cursor) for cursor in cursors]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@contextmanager
def riding(path: Path, clock: FakeClock, bikes: tuple[str, ...] = BIKES) -> Iterator[Rider]:
    rider = Rider(path, clock, bikes)
    with closing(rider.journal):
        yield rider


def crash(path: Path, folder: Path) -> Path:
    """Copy what the disk would show if the process that has the journal were killed now."""
    folder.mkdir()
    for file in path.parent.iterdir():
        if file.name.startswith(path.name):
            shutil.copy(file, folder / file.name)
    return folder / path.name


# --- going on -------------------------------------------------------------------------------------


def test_reopened_journal_continues_epoch(path: Path, clock: FakeClock) -> None:
    with riding(path, clock) as rider:
        assert rider.ride(*BIKES) == [Cursor(NOW_MS, 1), Cursor(NOW_MS, 1)]
        assert rider.ride() == [Cursor(NOW_MS, 2)]
    clock.wall_ms += 60_000
    with riding(path, clock) as rider:
        assert rider.journal.beginning.goes_on
        assert rider.ride(*BIKES) == [Cursor(NOW_MS, 3), Cursor(NOW_MS, 2)]
        assert rider.held() == payloads(*(Cursor(NOW_MS, seq) for seq in (1, 2, 3)))


def test_killed_process_keeps_published_readings(
    path: Path, clock: FakeClock, tmp_path: Path
) -> None:
    with riding(path, clock) as rider:
        for _ in range(50):
            rider.ride(*BIKES)
        left = crash(path, tmp_path / "crashed")
        with riding(left, clock) as again:
            assert again.journal.beginning.goes_on
            assert again.seqs == rider.seqs
            for bike in BIKES:
                assert again.held(bike) == rider.held(bike)


def test_new_bike_begins_at_one(path: Path, clock: FakeClock) -> None:
    with riding(path, clock, ("one",)) as rider:
        rider.ride("one")
    with riding(path, clock, ("two",)) as rider:
        assert rider.ride("two") == [Cursor(NOW_MS, 1)]
    with riding(path, clock, ("one",)) as rider:
        assert rider.ride("one") == [Cursor(NOW_MS, 2)]


def test_earlier_epochs_are_answered_for_in_order(path: Path, clock: FakeClock) -> None:
    expected = []
    for _ in range(3):
        with riding(path, clock) as rider:
            expected += rider.ride() + rider.ride()
        clock.wall_ms += 1
        path.with_name(f"{path.name}.epoch").unlink()  # so that a new epoch begins
    with riding(path, clock) as rider:
        assert len({cursor.epoch for cursor in expected}) == 3
        assert rider.held() == payloads(*expected)


# --- what is damaged, lost or not ours -----------------------------------------------------------


def test_new_epoch_for_lost_journal(path: Path, clock: FakeClock) -> None:
    with riding(path, clock) as rider:
        rider.ride()
    path.unlink()
    clock.wall_ms -= 3_600_000
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(NOW_MS + 1, 1)]
        assert not rider.journal.beginning.goes_on


@pytest.mark.parametrize("kept", [0, 100, 30_000])
def test_new_epoch_for_torn_log(path: Path, clock: FakeClock, tmp_path: Path, kept: int) -> None:
    with riding(path, clock) as rider:
        for _ in range(50):
            rider.ride()
        left = crash(path, tmp_path / "crashed")
    log = left.with_name(f"{left.name}-wal")
    assert log.stat().st_size > kept
    with log.open("r+b") as file:
        file.truncate(kept)
    clock.wall_ms += 1
    with riding(left, clock) as again:
        assert again.ride() == [Cursor(NOW_MS + 1, 1)]


def garbage_inside(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 2_000)


def one_letter(path: Path) -> None:
    content = path.read_bytes()
    place = content.rindex(b"xxx")
    path.write_bytes(content[:place] + b"y" + content[place + 1 :])


def half_of_it(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database at all\n" * 1_000)


def a_row_less(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM reading WHERE row = 20")


def another_position(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE position SET seq = seq + 1")


@pytest.mark.parametrize(
    "damage", [garbage_inside, one_letter, half_of_it, no_database, a_row_less, another_position]
)
def test_damaged_journal_is_quarantined(
    path: Path, clock: FakeClock, damage: Callable[[Path], None], log_lines: list[str]
) -> None:
    with riding(path, clock) as rider:
        for _ in range(50):
            rider.ride()
    damage(path)
    broken = path.read_bytes()
    clock.wall_ms -= 5
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(NOW_MS + 1, 1)]
        assert rider.held() == payloads(Cursor(NOW_MS + 1, 1))
    assert path.with_name(f"{path.name}.damaged-1").read_bytes() == broken
    assert [line.split()[0] for line in log_lines] == ["journal_failed", "journal_moved_aside"]
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(NOW_MS + 1, 2)]


def test_three_damaged_journals_are_kept(path: Path, clock: FakeClock) -> None:
    for _ in range(5):
        with riding(path, clock) as rider:
            rider.ride()
        no_database(path)
    with riding(path, clock):
        names = sorted(file.name for file in path.parent.iterdir() if "damaged" in file.name)
    assert names == [f"{path.name}.damaged-{number}" for number in (3, 4, 5)]


def test_a_damaged_mark_is_a_new_epoch(path: Path, clock: FakeClock) -> None:
    with riding(path, clock) as rider:
        rider.ride()
    path.with_name(f"{path.name}.epoch").write_bytes(b"\xff" * 5_000)
    clock.wall_ms -= 5
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(NOW_MS + 1, 1)]
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(NOW_MS + 1, 2)]


@pytest.mark.parametrize(
    ("owner", "version", "words"),
    [(0, 0, "of another program"), (APPLICATION_ID, 99, "of another version")],
)
def test_foreign_database_is_untouched(
    path: Path, clock: FakeClock, owner: int, version: int, words: str
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA application_id = {owner}")
        connection.execute(f"PRAGMA user_version = {version}")
    content = path.read_bytes()
    with pytest.raises(JournalError, match=words):
        DurableJournal(path, BIKES, clock.clocks)
    assert path.read_bytes() == content


def test_unusable_places_are_refused(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(JournalError, match="is a folder"):
        DurableJournal(tmp_path, BIKES, clock.clocks)
    with pytest.raises(JournalError, match="is a folder"):
        DurableJournal(Path("/"), BIKES, clock.clocks)
    with pytest.raises(JournalError, match="this user may write to"):
        DurableJournal(Path("/proc/journal.sqlite"), BIKES, clock.clocks)


def test_lock_covers_every_name(path: Path, clock: FakeClock, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite"
    with riding(path, clock) as rider:
        link.symlink_to(path)
        for name in (path, link):
            with pytest.raises(JournalError, match="in use by another device process"):
                DurableJournal(name, BIKES, clock.clocks)
        rider.ride()
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(NOW_MS, 2)]


# --- a disk that fails ---------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file as a tool might, so that no commit succeeds."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_failed_commit_begins_epoch(path: Path, clock: FakeClock, log_lines: list[str]) -> None:
    with riding(path, clock) as rider:
        rider.ride()
        with locked(path):
            assert rider.ride() == [Cursor(NOW_MS + 1, 1)]
            for _ in range(int(LOG_AGAIN_S / RETRY_S)):
                clock.monotonic_s += RETRY_S
                rider.ride()
        assert [line.split()[0] for line in log_lines] == ["journal_failed"] * 2
        assert "database is locked" in log_lines[0]
        assert rider.held() == [one.payload for one in rider.published]
        clock.monotonic_s += RETRY_S
        last = rider.ride()[0]
        assert log_lines[-1].startswith("journal_works_again")
        assert last.epoch == NOW_MS + 1
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(last.epoch, last.seq + 1)]


def test_kill_while_disk_fails(path: Path, clock: FakeClock, tmp_path: Path) -> None:
    with riding(path, clock) as rider:
        rider.ride()
        with locked(path):
            rider.ride()
            rider.ride()
        left = crash(path, tmp_path / "crashed")
    clock.wall_ms -= 3_600_000
    with riding(left, clock) as again:
        assert again.ride() == [Cursor(NOW_MS + 2, 1)]


def test_silent_bike_after_disk_recovery(path: Path, clock: FakeClock) -> None:
    with riding(path, clock) as rider:
        with locked(path):
            rider.ride(*BIKES)
            rider.ride(*BIKES)
        clock.monotonic_s += RETRY_S
        rider.ride(BIKES[1])
    with riding(path, clock) as rider:
        assert rider.ride(*BIKES) == [Cursor(NOW_MS + 1, 3), Cursor(NOW_MS + 1, 4)]


def test_quarantine_after_disk_recovery(path: Path, clock: FakeClock, log_lines: list[str]) -> None:
    with riding(path, clock) as rider:
        with locked(path):
            rider.ride()
        no_database(path)
        for _ in range(3):
            clock.monotonic_s += RETRY_S
            last = rider.ride()[0]
        assert rider.held() == [one.payload for one in rider.published]
    events = [line.split()[0] for line in log_lines]
    assert events == ["journal_failed", "journal_moved_aside", "journal_works_again"]
    with riding(path, clock) as rider:
        assert rider.ride() == [Cursor(last.epoch, last.seq + 1)]


# --- bounds --------------------------------------------------------------------------------------


def test_week_old_reading_keeps_number(path: Path, clock: FakeClock) -> None:
    with riding(path, clock) as rider:
        for _ in range(600):
            rider.ride(*BIKES)
    clock.wall_ms += AGE_MAX_MS + 1
    with riding(path, clock) as rider:
        assert rider.held() == []
        for _ in range(10):
            last = rider.ride(BIKES[0])[0]
    with closing(sqlite3.connect(path)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM reading").fetchone()
    assert rows < 600
    with riding(path, clock) as rider:
        assert rider.seqs == {BIKES[0]: last.seq, BIKES[1]: 600}


# --- whatever happens, no number twice -----------------------------------------------------------

STEPS = st.one_of(
    st.sampled_from(["ride", "ride both", "crash", "end", "lose", "tear", "cut log", "no mark"]),
    st.sampled_from(["lock", "unlock", "copy", "put back"]),
    st.integers(-5_000, 5_000),
)


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=25))
def test_no_number_twice_on_disk(steps: list[str | int]) -> None:
    with TemporaryDirectory() as folder:
        journey = Journey(Path(folder))
        for step in steps:
            journey.take(step)
            journey.rider.ride()
        journey.end()
        assert len(journey.seen) == journey.count >= len(steps)


class Journey:
    """A device on a disk on which everything happens; each crash goes on in another folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.rider = Rider(folder / "first" / "journal.sqlite", self.clock)
        self._folder = folder
        self._path = folder / "first" / "journal.sqlite"
        self._copy: Path | None = None
        self.seen: set[tuple[str, Cursor]] = set()
        self.count = 0

    def take(self, step: str | int) -> None:
        if isinstance(step, int):
            self.clock.wall_ms += step
        elif step in ("ride", "ride both"):
            self.rider.ride(*BIKES[: 1 + (step == "ride both")])
        elif step == "lock":
            with locked(self._path):
                self.rider.ride(*BIKES)
        elif step == "unlock":
            self.clock.monotonic_s += RETRY_S
        elif step == "copy":
            self._copy = crash(self._path, self._new_folder())
        else:
            left = crash(self._path, self._new_folder())
            self.end()
            harm(step, left, self._copy)
            self._path, self.rider = left, Rider(left, self.clock)

    def end(self) -> None:
        """Close the journal, and assert that nothing went out under a number used before."""
        self.rider.journal.close()
        for one in self.rider.published:
            number = (one.device_id, one.cursor)
            assert number not in self.seen, number
            self.seen.add(number)
            self.count += 1

    def _new_folder(self) -> Path:
        return self._folder / str(len(list(self._folder.iterdir())))


def harm(step: str, left: Path, copy: Path | None) -> None:
    log, mark = (left.with_name(f"{left.name}{suffix}") for suffix in ("-wal", ".epoch"))
    if step == "lose":
        left.unlink()
    elif step == "tear":
        garbage_inside(left)
    elif step == "cut log" and log.exists():
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size * 2 // 3)
    elif step == "no mark" and is_kept(left, mark):
        mark.unlink()
    elif step == "put back" and copy is not None:
        for suffix in ("", "-wal", "-shm"):
            left.with_name(f"{left.name}{suffix}").unlink(missing_ok=True)
            old = copy.with_name(f"{copy.name}{suffix}")
            if old.exists():
                shutil.copy(old, left.with_name(f"{left.name}{suffix}"))


def is_kept(journal: Path, mark: Path) -> bool:
    """Tell whether the journal knows the greatest epoch, so that the mark may be lost."""
    with closing(EpochFile(mark)) as file, closing(sqlite3.connect(journal)) as connection:
        (epoch,) = connection.execute("SELECT max(epoch) FROM position").fetchone()
        return isinstance(file.mark, Mark) and epoch == file.mark.epoch

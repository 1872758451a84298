from collections.abc import Iterator
from pathlib import Path

import pytest

from device.sample import Sample
from device.sources import SOURCES, IteratorSource, Source, open_source
from shared.decorators import registered
from shared.errors import SourceError
from shared.settings import Settings, load_settings


def test_suggestion_for_unknown_source(tmp_path: Path) -> None:
    settings = load_settings("device", ["--source", "simulater"], {}, tmp_path)
    with pytest.raises(SourceError) as refusal:
        open_source(settings, 0)
    listed = ", ".join(sorted(SOURCES))
    assert {"ride", "simulator", "stdin"} <= set(SOURCES)
    assert str(refusal.value) == (
        f"there is no source 'simulater', only {listed}; did you mean simulator?"
    )


@pytest.fixture
def still_source() -> Iterator[None]:
    @registered(SOURCES, "still")
    def open_still(_settings: Settings, argument: str, bike: int) -> Source:
        return IteratorSource(iter([Sample(None, 0.0)]), 1000, f"{argument} {bike}")

    yield
    del SOURCES["still"]


@pytest.mark.usefixtures("still_source")
def test_a_source_is_added_by_registering_it(tmp_path: Path) -> None:
    settings = load_settings("device", ["--source", "still:a:b"], {}, tmp_path)
    assert open_source(settings, 3).model == "a:b 3"

"""Polls a source as the publisher does, without a loop around it."""

from collections.abc import Iterator

from device.sample import Sample
from device.sources import Source


def polled(source: Source) -> Iterator[Sample]:
    """Yield the samples of a source until it has none."""
    while isinstance(found := source.poll(0.0), Sample):
        yield found

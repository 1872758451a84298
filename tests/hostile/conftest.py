"""The scene of all attacks: started once, and anew only after an attack that broke it."""

from collections.abc import Callable, Iterator

import pytest

from tests.hostile.scene import Scene


@pytest.fixture(scope="session")
def open_scene() -> Iterator[Callable[[], Scene]]:
    """Return the scene; a broken one is replaced."""
    scenes: list[Scene] = []

    def find() -> Scene:
        if scenes and not scenes[-1].is_sound:
            scenes.pop().close()
        if not scenes:
            scenes.append(Scene())
        return scenes[-1]

    yield find
    for scene in scenes:
        scene.close()


@pytest.fixture
def scene(open_scene: Callable[[], Scene]) -> Scene:
    """A gateway, a bike and honest clients who got everything so far."""
    return open_scene()

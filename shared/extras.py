"""Optional libraries: only the sources and emulators that need one import it."""

from importlib import import_module
from types import ModuleType

from shared.errors import SourceError


def need(module: str, extra: str) -> ModuleType:
    """Import an optional library.

    ``extra`` names the file ``requirements-<extra>.txt`` that installs it. Raises
    :class:`SourceError` with the command to run when the library is missing.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise SourceError(
            f"{error.name or module} is not installed: "
            f"run '.venv/bin/pip install -r requirements-{extra}.txt'"
        ) from error

"""C libraries that change what the system does under an unmodified process."""

import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent


def compile_shim(name: str, folder: Path) -> dict[str, str]:
    """Compile ``<name>_shim.c`` into a folder; returns the environment that preloads it."""
    library = folder / f"{name}_shim.so"
    source = FOLDER / f"{name}_shim.c"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}

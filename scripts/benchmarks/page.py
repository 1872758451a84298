"""Write results into a page, between two marks."""

from pathlib import Path


def write_section(page: Path, begin: str, end: str, text: str) -> None:
    """Replace the text between the marks ``begin`` and ``end``, which stay."""
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", "utf-8")

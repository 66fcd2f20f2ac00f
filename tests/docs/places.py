"""Where the papers lie, and what a block of code in them is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
SAMPLES = ROOT / "sample_data"

BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block of code; the kinds that run are `console`, `sh`, `python` and `toml`."""


def pages() -> list[Path]:
    """List the README and the pages of `docs/`, in a fixed order."""
    return [README, *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]


def name_of(page: Path) -> str:
    """Return the path of a page below the project's root."""
    return page.relative_to(ROOT).as_posix()

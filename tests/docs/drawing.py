"""Draw the floors of the program as SVG: what stands higher imports what stands lower, never the other way."""

from docs.places import DOCS

DRAWING = DOCS / "development" / "architecture.svg"

FLOORS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("__main__", "signals, streams, exit code"),),
    (("cli", "options → api → render; completion"), ("__init__", "the public names")),
    (("api", "keyword arguments → plan"),),
    (("pipeline", "the whole program on one screen"),),
    (("commands", "apply, stats, check, diff, ls: plan → work → report"),),
    (("engine", "passes over elements, by executors"), ("render", "reports as text")),
    (("inputs", "paths → dumps: layouts, names, headers"),),
    (("formats", "readers and writers"), ("checks", "what is wrong"), ("reports", "what was found, as data")),
    (("storage", "bytes at positions; whole or not"), ("thresholds", "norms → threshold")),
    (("spec_table", "a million tensors as columns"),),
    (("tensors", "specs and pieces"), ("strategies", "what clipping does"), ("lazy_rows", "rows made when read")),
    (("errors", "one line, one exit code"),),
    (
        ("numerics", "exact norms, dtypes, scaling"),
        ("text", "words and numbers"),
        ("notes", "what a user must know"),
        ("_version", "the version, once"),
    ),
)
"""From the roof down: names, and a few words about each."""

WIDTH, STORY, GAP = 920, 62, 10


def drawing() -> str:
    """Return the SVG."""
    height = len(FLOORS) * STORY + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif">',
        "<title>The floors of gradclip: imports go down only</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for level, rooms in enumerate(FLOORS):
        parts += _floor(rooms, GAP + level * STORY)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _floor(rooms: tuple[tuple[str, str], ...], top: int) -> list[str]:
    """Draw the rooms of one floor side by side."""
    width = (WIDTH - GAP) // len(rooms) - GAP
    parts = []
    for number, (name, words) in enumerate(rooms):
        left = GAP + number * (width + GAP)
        middle = left + width // 2
        parts += [
            f'<rect x="{left}" y="{top}" width="{width}" height="{STORY - GAP}" rx="6" fill="#eef3fb" stroke="#4a6fa5"/>',
            f'<text x="{middle}" y="{top + 22}" text-anchor="middle" font-size="16" font-weight="bold" fill="#1b2a41">{name}</text>',
            f'<text x="{middle}" y="{top + 41}" text-anchor="middle" font-size="12" fill="#44536a">{words}</text>',
        ]
    return parts

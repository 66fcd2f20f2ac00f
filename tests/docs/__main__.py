"""Write anew what the papers take from the program: `make docs-source`."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from docs import drawing, man, picture, schemas, screens
from docs.filling import filled
from docs.places import name_of, pages


def files() -> Iterator[tuple[Path, Callable[[], str]]]:
    """Yield the files that are written by the program alone, each with what makes it."""
    yield man.PAGE, man.page
    yield drawing.DRAWING, drawing.drawing
    for page in screens.PAGES:
        yield page, lambda page=page: screens.page(page)  # type: ignore[misc]
    for command in schemas.CALLS:
        yield schemas.SCHEMAS / f"{command}.schema.json", lambda command=command: schemas.schema_text(command)  # type: ignore[misc]


def main(wanted: list[str]) -> None:
    """Write the files, then fill in the pages; with names of files or pages, only these."""
    for path, make in [*files(), (picture.PICTURE, picture.picture)]:
        if not wanted or name_of(path) in wanted:
            _write(path, make())
    for page in pages():
        if not wanted or name_of(page) in wanted:
            _write(page, filled(page.read_text(encoding="utf-8")))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"wrote {name_of(path)}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Draw the figures of the page on reading a report, and photograph a report for the README: `make docs-figures`.

vl-convert draws the figures, with fonts of its own, so that they are the same on every machine; the photograph takes a browser.
"""

import tempfile
from pathlib import Path

from browser.chromium import launched
from browser.opened import Opened
from support.made_runs import LEARNING_RATE, exploding, weights_beside

from docs.places import DOCS
from gradclip_cli import report

FIGURES = DOCS / "report"
PHOTOGRAPH = FIGURES / "page.png"

TITLE, WIDTH, HEIGHT = "run 7", 1100, 1340


def draw(folder: Path) -> None:
    """Write each picture of the run that explodes as SVG, with weights, which the photograph has not."""
    with tempfile.TemporaryDirectory(prefix="gradclip-docs-") as name:
        run, weights = exploding(), Path(name, "weights")
        inputs, beside = run.write(Path(name, TITLE)), weights_beside(run).write(weights)
        report(inputs, figures=folder, values=True, weights=beside, lr=LEARNING_RATE, overwrite=True)


def photograph(path: Path) -> None:
    """Write what a person sees first of the report of the run that explodes as PNG."""
    with tempfile.TemporaryDirectory(prefix="gradclip-docs-") as name, launched() as browser:
        page = Path(name, "report.html")
        report(exploding().write(Path(name, TITLE)), page, values=True)
        size = {"width": WIDTH, "height": HEIGHT}
        opened = Opened(browser.new_context(offline=True, viewport=size).new_page(), page).wait()
        opened.page.screenshot(path=path)


if __name__ == "__main__":
    draw(FIGURES)
    photograph(PHOTOGRAPH)

"""A page in the browser: what it asks for and says, and where its marks are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import ConsoleMessage, Dialog, Page, Request

LOCAL = ("file:", "data:", "blob:")

_MARKS = """kind => {
  if (!window.view) return [];
  const found = [], canvas = document.querySelector('#charts canvas, #charts svg'), box = canvas.getBoundingClientRect();
  const scale = box.width / view._renderer._width || 1, [left, top] = view.origin();
  const walk = (mark, x, y, path) => mark.items.forEach(item => {
    const own = [...path, mark.name || mark.role];
    if (mark.marktype === 'group') {
      (item.items || []).forEach(inner => walk(inner, x + (item.x || 0), y + (item.y || 0), own));
    }
    if (mark.marktype !== kind) return;
    const b = item.bounds, datum = item.datum || {};
    found.push({
      kind: mark.marktype, role: mark.role || '', path: own.join('/'), fill: String(item.fill ?? ''), text: String(item.text ?? ''),
      turned: (item.angle ?? 0) % 90 !== 0, shown: (item.opacity ?? 1) > 0 && b.x2 > b.x1 - 1,
      x1: box.left + scrollX + scale * (left + x + b.x1), x2: box.left + scrollX + scale * (left + x + b.x2),
      y1: box.top + scrollY + scale * (top + y + b.y1), y2: box.top + scrollY + scale * (top + y + b.y2),
      datum: Object.fromEntries(Object.entries(datum).filter(([, v]) => ['number', 'string'].includes(typeof v))),
    });
  });
  walk(view.scenegraph().root, 0, 0, []);
  return found;
}"""


class Mark(NamedTuple):
    """One item that Vega drew: its kind, the names of the groups around it, its place on the page, and what it stands for."""

    kind: str
    role: str
    path: str
    fill: str
    text: str
    turned: bool
    shown: bool
    x1: float
    x2: float
    y1: float
    y2: float
    datum: dict[str, Any]

    @property
    def middle(self) -> tuple[float, float]:
        """The point in the middle."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def overlaps(self, other: "Mark", slack: float = 1.0) -> bool:
        """Whether two marks share more than `slack` pixels in both directions; turned texts are not known so well."""
        across = min(self.x2, other.x2) - max(self.x1, other.x1)
        down = min(self.y2, other.y2) - max(self.y1, other.y1)
        return across > slack and down > slack and not (self.turned or other.turned)


class Opened:
    """A page that was opened from its file, in a browser without a network; it was drawn after so many `milliseconds`."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path
        self.asked: list[str] = []
        self.said: list[str] = []
        self.milliseconds = 0.0
        page.set_default_timeout(10_000)
        page.on("request", self._ask)
        page.on("console", self._say)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._close)

    def wait(self) -> "Opened":
        """Load the page, and wait until its pictures are drawn, if it has scripts that draw some."""
        self.page.goto(self.path.as_uri())
        if self.page.locator("script").count():
            self.page.wait_for_selector("body[data-ready]", state="attached", timeout=30_000)
        self.milliseconds = self.page.evaluate("performance.now()")
        return self

    def resize(self, width: int) -> None:
        """Give the window another width, and wait until the pictures have followed."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.wait_for_timeout(100)  # until the window has told the page, which nothing says
        self.page.evaluate("window.view && view.runAsync().then(() => true)")

    def marks(self, kind: str) -> list[Mark]:
        """Return what Vega drew of a kind, such as `text` or `symbol`, from the back to the front."""
        return [Mark(**one) for one in self.page.evaluate(_MARKS, kind)]

    @property
    def words(self) -> str:
        """All text that Vega drew, and all text around it."""
        drawn = [mark.text for mark in self.marks("text") if mark.shown]
        return "\n".join([str(self.page.inner_text("body")), *drawn])

    def signal(self, name: str) -> Any:
        """Return the value of a signal of Vega."""
        return self.page.evaluate("name => view.signal(name)", name)

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse to a place on the page, and the page so that it can be seen."""
        top = self.page.evaluate("y => { scrollTo(0, y - innerHeight / 2); return scrollY; }", y)
        self.page.mouse.move(x, y - top)

    def click(self, mark: Mark) -> None:
        """Click in the middle of a mark."""
        self.point_at(*mark.middle)
        self.page.mouse.down()
        self.page.mouse.up()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the button of the mouse in one place, and let go of it in another of the same height."""
        self.point_at(*start)
        self.page.mouse.down()
        self.point_at(*end)
        self.page.mouse.up()

    def tip_on(self, mark: Mark) -> list[str]:
        """Return the cells of the tooltip of a mark."""
        self.point_at(*mark.middle)
        self.page.wait_for_selector("#vg-tooltip-element.visible")
        return [cell.strip() for cell in self.page.locator("#vg-tooltip-element td").all_inner_texts()]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; fail after ten seconds."""
        for _ in range(100):
            if condition():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("ten seconds have passed")

    def _ask(self, request: Request) -> None:
        if not request.url.startswith(LOCAL):
            self.asked.append(request.url)

    def _say(self, message: ConsoleMessage) -> None:
        self.said.append(f"{message.type}: {message.text}")

    def _close(self, dialog: Dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

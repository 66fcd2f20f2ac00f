"""The browser, and pages of the runs to look at."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser
from support.made_runs import LEARNING_RATE, SHOWN
from support.wide_report import report_of, wide_run

from browser.chromium import launched
from browser.opened import Opened
from gradclip_cli import report
from gradclip_cli.render.html.page import page

WIDE = "wide"
"""The page of thousands of steps and tensors, which no command makes in a moment."""

VALUES = ("exploding", "one-dump")
"""The runs whose elements are counted by magnitude."""


class Written(Protocol):
    """Writes the page of one of the runs to look at, or of `WIDE`."""

    def __call__(self, name: str, static: bool = False) -> Path: ...


class Open(Protocol):
    """Opens the page of one of the runs to look at."""

    def __call__(
        self,
        name: str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        scripts: bool = True,
        static: bool = False,
    ) -> Opened: ...


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser."""
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Provide what writes the page of a run, each page once."""
    folder = tmp_path_factory.mktemp("pages")
    runs = cache(lambda name: SHOWN[name](folder / "runs"))

    @cache
    def write(name: str, static: bool = False) -> Path:
        path = folder / f"{name}{'-static' if static else ''}.html"
        if name == WIDE:
            path.write_text(page(report_of(wide_run(), name)), encoding="utf-8")
        else:
            inputs, against, weights = runs(name)
            report(
                inputs,
                path,
                title=name,
                against=against,
                static=static,
                values=name in VALUES,
                weights=() if weights is None else weights,
                lr=None if weights is None else LEARNING_RATE,
            )
        return path

    return write


@pytest.fixture
def opened(browser: Browser, written: Written) -> Iterator[Open]:
    """Provide what opens pages; whatever a test does to them, they ask for nothing and say nothing."""
    pages = []

    def open_page(
        name: str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        scripts: bool = True,
        static: bool = False,
    ) -> Opened:
        context = browser.new_context(
            offline=True,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        pages.append(one := Opened(context.new_page(), written(name, static)))
        if scripts:
            return one.wait()
        one.page.goto(one.path.as_uri())
        return one

    yield open_page
    for one in pages:
        one.page.context.close()
    assert [(one.path.name, one.asked, one.said) for one in pages if one.asked or one.said] == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how large each page is and how soon it was drawn, as the tests of sizes found it."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    pages = [value for one in reports if one.when == "call" for name, value in one.user_properties if name == "page"]
    if pages:
        terminalreporter.section("pages")
    for name, size, milliseconds in sorted(pages, key=lambda page: page[1]):
        terminalreporter.line(f"{name:12} {size / 1e6:5.2f} MB  {milliseconds / 1e3:5.2f} s")

"""The browser, and pages of the runs to look at."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, sync_playwright
from support.made_runs import SHOWN
from support.run_reports import run_report
from support.wide_report import report_of, wide_run

from browser.chromium import found
from browser.opened import Opened
from gradclip_cli.render.html.page import page
from gradclip_cli.reports.run import RunReport


class Open(Protocol):
    """Opens the page of one of the runs to look at."""

    def __call__(
        self, name: str, *, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True
    ) -> Opened: ...


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser."""
    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found(), args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Provide what writes the page of a run, each page once."""
    folder = tmp_path_factory.mktemp("pages")

    @cache
    def write(name: str) -> Path:
        report = report_of(wide_run(), name) if name == "wide" else _report(name, folder / "runs")
        path = folder / f"{name}.html"
        path.write_text(page(report), encoding="utf-8")
        return path

    return write


def _report(name: str, folder: Path) -> RunReport:
    shown = SHOWN[name](folder)
    return run_report(str(shown.inputs), name, None if shown.against is None else str(shown.against))


@pytest.fixture
def opened(browser: Browser, written: Callable[[str], Path]) -> Iterator[Open]:
    """Provide what opens pages; whatever a test does to them, they ask for nothing and say nothing."""
    pages = []

    def open_page(
        name: str, *, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True
    ) -> Opened:
        context = browser.new_context(
            offline=True,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        pages.append(one := Opened(context.new_page(), written(name)))
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

"""Find the browser that the tests drive, and where there is none, install Debian's: `python -m browser.chromium`."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


def found() -> str | None:
    """Return the path of a Chromium: that which the variable CHROMIUM names, or the first of `NAMES` that is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched() -> "Iterator[Browser]":
    """Start the browser, without a window; a sandbox is not possible for root."""
    from playwright.sync_api import sync_playwright

    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found(), args=flags)
        yield browser
        browser.close()


def main() -> None:
    """Install Chromium if there is none; exit with a line that says how, if that takes somebody else."""
    if found() is None and os.geteuid() == 0 and Path("/etc/debian_version").is_file():
        for argv in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *argv], check=True)
    if found() is None:
        raise SystemExit(
            "make browser needs Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to its path"
        )


if __name__ == "__main__":
    main()

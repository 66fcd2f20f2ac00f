"""Refuse a release whose version, changelog, tag, wheel and sdist do not agree: `python .ci/release_check.py FOLDER`."""

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WANTED = {"gradclip_cli/__init__.py", "gradclip_cli/py.typed", "gradclip_cli/gradclip.1"}
"""Files without which a wheel is not whole."""

SOURCES = (
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "docs/index.md",
    "tests/conftest.py",
)
"""Files without which an sdist is not whole."""


def problems(folder: Path) -> Iterator[str]:
    """Yield what does not agree, one sentence each."""
    version = package_version()
    heading = re.search(r"^## \[?(\d[\w.]*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if heading is None or heading[1] != version:
        yield f"the newest release in CHANGELOG.md is {heading and heading[1]}, the version is {version}"
    tags = tags_here()
    if tags and f"v{version}" not in tags:
        yield f"this commit has the tags {', '.join(tags)}, the version is {version}"
    yield from _wheel_problems(folder / f"gradclip_cli-{version}-py3-none-any.whl")
    yield from _sdist_problems(folder / f"gradclip_cli-{version}.tar.gz", f"gradclip_cli-{version}/")


def package_version() -> str:
    """Return the version that the package states."""
    for name in ("_version.py", "__init__.py"):
        path = ROOT / "gradclip_cli" / name
        found = (
            re.search(r'^__version__ = "(.*)"', path.read_text(encoding="utf-8"), re.MULTILINE)
            if path.is_file()
            else None
        )
        if found:
            return found[1]
    raise SystemExit("the package states no version")


def tags_here() -> list[str]:
    """Return the tags of the commit that is checked out."""
    argv = ["git", "tag", "--points-at", "HEAD"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603


def _wheel_problems(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    sources = {found.relative_to(ROOT).as_posix() for found in (ROOT / "gradclip_cli").rglob("*.py")}
    for name in sorted((WANTED | sources) - names):
        yield f"{path.name} lacks {name}"
    for name in sorted(names):
        if not name.startswith(("gradclip_cli/", "gradclip_cli-")):
            yield f"{path.name} holds {name}"


def _sdist_problems(path: Path, top: str) -> Iterator[str]:
    with tarfile.open(path) as archive:
        names = set(archive.getnames())
    for name in SOURCES:
        if top + name not in names:
            yield f"{path.name} lacks {name}"
    for name in sorted(names):
        if re.search(r"/(_build|\.venv[^/]*|__pycache__)/", name):
            yield f"{path.name} holds {name}"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    print("\n".join(found) or f"{package_version()} can be released")
    raise SystemExit(1 if found else 0)

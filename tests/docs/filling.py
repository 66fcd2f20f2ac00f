"""Fill in what a page takes from the program.

Between `<!-- begin NAME -->` and `<!-- end NAME -->` stands what NAME says in `PARTS`; below the commands of a `console`
block stands what they show; `sh`, `python` and `toml` blocks are run in the same folder, in their order, and stay as they are.
"""

import importlib.util
import re
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from benchmarks import pages

from docs import command_line, recipes, schemas
from docs.places import BLOCK
from docs.session import Session

PARTS: dict[str, Callable[[], str]] = {
    "help": command_line.all_help,
    "help dump": command_line.help_dump,
    "strategies": command_line.strategies,
    "strategy sources": command_line.strategy_sources,
    "exit codes": command_line.exit_codes,
    "limits": command_line.limits,
    "json": schemas.reference,
    "recipes": recipes.recipes,
    "report types": schemas.type_directives,
    "benchmarks": pages.table,
    "benchmarks by jobs": pages.by_jobs,
    "benchmarks of remote work": pages.remote,
    "speed": pages.speed,
}
PART = re.compile(r"(?P<begin><!-- begin (?P<name>[\w ]+) -->\n)(?:.*?\n)?(?P<end><!-- end (?P=name) -->)", re.DOTALL)
HAS_TORCH = importlib.util.find_spec("torch") is not None


def filled(text: str) -> str:
    """Return a page with its parts and outputs as they have to be; raise `ExampleError` where an example fails."""
    text = PART.sub(lambda found: f"{found['begin']}{PARTS[found['name']]()}\n{found['end']}", text)
    if not any(found["kind"] in ("console", "sh", "python", "toml") for found in BLOCK.finditer(text)):
        return text
    with tempfile.TemporaryDirectory(prefix="gradclip-docs-") as folder:
        session = Session(Path(folder))
        return BLOCK.sub(lambda found: _block(session, found), text)


def _block(session: Session, found: re.Match[str]) -> str:
    kind, text = found["kind"], found["text"]
    if kind == "console":
        return f"```console\n{session.console(text)}```"
    if kind == "sh":
        session.script(text)
    elif kind == "toml":
        tomllib.loads(text)
    elif kind == "python" and (HAS_TORCH or "torch" not in text):
        session.python(text)
    return found[0]

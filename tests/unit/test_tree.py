"""The tree is the architecture: imports go one way, and heavy libraries stay where they belong."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import gradclip_cli

PACKAGE = Path(gradclip_cli.__file__).parent
ROOT = PACKAGE.parent

STAGES: tuple[tuple[str, ...], ...] = (
    ("text", "lazy_rows", "_version"),
    ("errors",),
    ("numerics",),
    ("tensors",),
    ("storage",),
    ("formats",),
    ("strategies",),
    ("thresholds",),
    ("inputs",),
    ("engine",),
    ("checks",),
    ("reports",),
    ("commands",),
    ("pipeline",),
    ("render",),
    ("api",),
    ("cli",),
    ("__main__",),
)
"""What may import what: each stage only those before it; stages side by side do not know each other."""

RANK = {name: rank for rank, names in enumerate(STAGES) for name in names}

HEAVY = {
    "click": ("cli/", "__main__.py"),
    "rich": ("render/tables/plain.py", "render/tables/terminal.py", "cli/progress.py"),
    "h5py": ("formats/hdf5/",),
    "tomli_w": ("cli/config.py",),
    "torch": (),
    "safetensors": (),
    "ml_dtypes": (),
}
"""Libraries, and the only places that may import them."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, without the package's own."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports(nodes: list[ast.stmt], lazily: bool) -> Iterator[str]:
    """What is imported by statements; `lazily` looks into functions as well. What is only for type checkers does not count."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from imports(node.orelse, lazily)
        elif lazily or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ast.iter_child_nodes(node):
                yield from imports([part] if isinstance(part, ast.stmt) else list(_statements(part)), lazily)


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        else:
            yield from _statements(child)


def ours(path: Path, lazily: bool) -> set[str]:
    """The modules of the package that a file imports."""
    found = set()
    for name in imports(ast.parse(path.read_text(encoding="utf-8")).body, lazily):
        parts = name.split(".")
        if parts[0] == "gradclip_cli":
            while len(parts) > 1 and ".".join(parts[1:]) not in modules():
                parts.pop()
            found.add(".".join(parts[1:]))
    return found - {""}


def test_imports_go_one_way() -> None:
    """A module imports only from stages below its own, in functions too."""
    wrong = [
        f"{name} imports {other}"
        for name, path in modules().items()
        for other in ours(path, lazily=True)
        for here, there in [(name.partition(".")[0], other.partition(".")[0])]
        if here != there and here in RANK and there in RANK and RANK[here] <= RANK[there]
    ]
    assert wrong == []


def test_every_module_has_its_place() -> None:
    """Every module and subpackage stands in the list of stages, and every stage is there."""
    assert {name.partition(".")[0] for name in modules()} - {"__init__"} == set(RANK)


def test_there_is_no_circle() -> None:
    """Modules do not import each other in a circle when they are imported."""
    graph = {name: ours(path, lazily=False) for name, path in modules().items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " imports ".join([*above[above.index(name) :], name])
        if name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_stay_in_their_place(library: str) -> None:
    """A library is imported only by the modules that are there for it, in functions too."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules().values()
        if any(
            name.partition(".")[0] == library
            for name in imports(ast.parse(path.read_text(encoding="utf-8")).body, True)
        )
    }
    assert {user for user in users if not user.startswith(HEAVY[library])} == set() if HEAVY[library] else not users


def test_nothing_below_knows_the_command_line() -> None:
    """No module below `cli` imports from it; only the entry point does."""
    users = {
        name
        for name, path in modules().items()
        for other in ours(path, lazily=True)
        if other.partition(".")[0] == "cli"
    }
    assert {name for name in users if name.partition(".")[0] not in ("cli", "__main__")} == set()


def test_the_public_names_are_sorted_and_there() -> None:
    """`__all__` is sorted, each of its names can be imported, and nothing else is public but modules."""
    names = gradclip_cli.__all__
    assert names == sorted(names)
    assert all(getattr(gradclip_cli, name) is not None for name in names)
    public = {name for name in vars(gradclip_cli) if not name.startswith("_")} - {
        name.partition(".")[0] for name in modules()
    }
    assert public - {"Any", "TYPE_CHECKING", "import_module"} <= set(names)


@pytest.mark.skipif(not (ROOT / "CHANGELOG.md").is_file(), reason="installed without its changelog")
def test_the_version_is_in_the_changelog() -> None:
    """The version of the package is the newest of the changelog's headings."""
    headings = re.findall(r"^## \[?v?([^\s\]]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    versions = [heading for heading in headings if heading[0].isdigit()]
    assert versions[0] == gradclip_cli.__version__


def test_every_module_says_what_it_is_for() -> None:
    """Every module begins with one sentence."""
    silent = [
        name for name, path in modules().items() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []

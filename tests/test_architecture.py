"""The tree is the architecture: how large its parts are, what each of them imports, and that each says what it is for.

Floors and libraries are contracts of import-linter in pyproject.toml.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import gradclip_cli

PACKAGE = Path(gradclip_cli.__file__).parent
ROOT = PACKAGE.parent
UNITS = Path(__file__).parent / "unit"

MOST_PACKAGES, MOST_LOOSE, MOST_MODULES = 15, 9, 545
"""Packages at the top, modules beside them but the entry points, and modules in all."""

LONGEST, SHORT = 260, 30
"""Lines of a module; at most a tenth of the modules are short."""

MOST_LAZY = 115
"""Lines of imports inside functions; each line of a lazy registry is one."""

LIGHT = (
    "errors", "text", "storage.streams", "storage.fingerprint", "storage.locations",
    "strategies", "strategies.base", "strategies.builtin",
    "thresholds.base", "thresholds.rules", "thresholds.adaptive", "thresholds.histories",
    "checks", "checks.limits", "formats", "render", "render.view", "reports", "inputs.discovery", "inputs.selection",
    "commands.plans", "commands.apply.plan", "commands.report.plan", "commands.stats.plan",
    "cli", "cli.apply", "cli.cache", "cli.check", "cli.completion", "cli.config", "cli.diff", "cli.help", "cli.listing",
    "cli.measuring", "cli.options", "cli.output", "cli.progress", "cli.remote", "cli.report", "cli.shells", "cli.show",
    "cli.stats", "cli.topics",
    "cli.types", "cli.viewing",
)  # fmt: skip
"""Modules that come without numpy, h5py, rich and obstore, so that help and completion start as fast as click does."""

WITHOUT_UNIT_TESTS = {
    "numerics/statistics_arrays.py": "test_statistics_table.py holds rows against tensors",
    "engine/dump_notes.py": "test_survey.py and the tests of what names say read these notes",
    "torch/seen.py": "test_capture.py judges and writes steps of every kind",
    "inputs/norm_logs/*.py": "test_reading.py reads a sample of every layout, test_events.py and test_repeats.py the rest",
    "pipeline.py": "each function is two lines, which every test of a command runs",
    "api/*.py": "test_functions.py calls every function",
    "checks/base.py": "figures, which the tests of every check make",
    "cli/apply.py": "tests/cli",
    "cli/check.py": "tests/cli",
    "cli/completion.py": "tests/cli/test_completion.py",
    "cli/counting.py": "tests/cli/test_counting.py",
    "cli/diff.py": "tests/cli",
    "cli/following.py": "tests/cli/test_follow.py",
    "cli/listing.py": "tests/cli",
    "cli/remote.py": "tests/cli/test_remote.py",
    "cli/show.py": "tests/cli/test_show.py",
    "cli/measuring.py": "tests/cli, as options of stats and report",
    "cli/report.py": "tests/cli/test_report.py",
    "cli/stats.py": "tests/cli",
    "cli/units.py": "tests/laws/test_units.py calls what these options pass on, tests/cli/test_help.py shows them",
    "cli/viewing.py": "tests/cli/test_guesses.py holds which format wins, tests/unit/render/test_view.py the rest",
    "commands/plans.py": "tests of the options and of the API refuse what these refuse",
    "commands/diff/*.py": "tests/laws/test_diff*.py hold every figure against numpy, tests/cli/test_diff_runs.py what is paired",
    "commands/apply/changes.py": "tests/laws/test_slices.py and test_accumulated.py rewrite by both kinds",
    "commands/apply/before_after.py": "tests/laws hold every figure against numpy",
    "commands/apply/flow.py": "every test of apply runs it",
    "commands/apply/report.py": "tests/laws hold every figure against numpy",
    "commands/apply/rewrite.py": "tests/laws and tests/faults write every format into every other",
    "commands/check/slices_named.py": "tests/laws/test_slices_named.py holds every slice against numpy",
    "commands/check/steady_slices.py": "tests/laws/test_steady_slices.py holds every slice against numpy",
    "commands/check/zero_slices.py": "tests/laws/test_zero_slices.py holds every slice against numpy",
    "commands/check/unchanged_slices.py": "tests/laws/test_slices.py holds it against files of single steps",
    "commands/check/gathered.py": "tests/laws/test_cached_report.py holds what is recalled against what is read",
    "commands/check/collect.py": "the tests of every check read what this collects",
    "commands/report/*.py": "tests/cli/test_report.py and tests/laws/test_report.py",
    "commands/stats/following.py": "tests/cli/test_follow.py",
    "commands/stats/peak.py": "tests/laws/test_slices_named.py holds every figure against numpy",
    "commands/stats/dump_norms.py": "tests/laws hold every norm against numpy",
    "render/following.py": "tests/cli/test_follow.py",
    "render/html/theme.py": "colours, in which test_page.py and test_figures.py draw",
    "render/screens/diff_runs.py": "test_diff.py shows two dumps and two runs",
    "engine/compare.py": "tests/laws hold every figure of diff against numpy",
    "engine/executors/cluster_workers.py": "test_cluster.py refuses workers by it",
    "engine/executors/progress.py": "test_cluster.py and test_processes.py count bytes and workers by it",
    "engine/reading.py": "tests/laws read every format by it, tests/cluster URLs",
    "engine/executors/base.py": "a protocol, and what the tests of threads, processes and batches run",
    "engine/executors/frames.py": "test_processes.py sends large and small messages by it, and descriptors",
    "engine/executors/serving.py": "runs in worker processes only, which test_processes.py starts",
    "engine/executors/worker.py": "test_processes.py starts workers in both ways, and tests/faults/test_workers.py ends them",
    "engine/compare_ranks.py": "tests/laws/test_diff_shards.py holds every figure against numpy",
    "numerics/unit_sums.py": "test_unit_norms.py holds its sums against numpy, for any pieces",
    "engine/unit_meter.py": "tests/laws/test_units.py measures units of every format, layout and order",
    "engine/units.py": "tests/laws/test_units.py holds units of every format, layout and order against numpy",
    "engine/weights.py": "tests/laws/test_weights.py pairs weights of every layout, test_units.py those that do not fit",
    "commands/apply/units.py": "tests/laws/test_units.py holds every limit and policy against numpy",
    "commands/apply/group_decision.py": "tests/laws hold what is done to every group against numpy",
    "commands/stats/beside.py": "tests/laws/test_units.py and test_tries.py hold what is tried against what is done",
    "commands/stats/ratios.py": "tests/laws/test_units.py holds every ratio against numpy",
    "engine/slice_squares.py": "tests/laws/test_slices_named.py holds every share and index against numpy",
    "engine/tensor_places.py": "tests/laws/test_slices_named.py reads tensors of every layout again by it",
    "engine/rewrite_slices.py": "tests/laws/test_slices.py holds every slice against a file of its own",
    "engine/run.py": "every test of a command runs it",
    "engine/memory/*.py": "tests/laws/test_cached.py holds whatever comes back against a new reading",
    "engine/rewrite.py": "tests/laws hold every element against numpy",
    "formats/base.py": "protocols, and refusals that the tests of formats meet",
    "formats/hdf5/answers.py": "runs in a child only, which tests/hostile ask",
    "formats/hdf5/band_reader.py": "the test of the reader reads by it",
    "formats/hdf5/serving.py": "runs in a child only, which test_child.py starts",
    "inputs/source.py": "values and protocols, which the test of each layout makes",
    "numerics/comparison.py": "test_products.py compares pieces by it",
    "numerics/zero_slices.py": "tests/laws/test_zero_slices.py cuts every dtype into pieces of every size",
    "numerics/narrow_floats.py": "test_dtypes.py reads and rounds every value by it",
    "render/charts/data.py": "test_characters.py draws it",
    "render/html/norm_marks.py": "test_norm_events.py holds the legend",
    "render/table_report.py": "tests/cli on terminals and in pipes",
    "render/tables/*.py": "test_tables.py holds them to the reports, tests/cli/test_streams.py to a terminal",
    "reports/*.py": "fields, which test_base.py and the schemas of the docs read",
    "storage/results_file.py": "test_results.py, and tests/cli/test_cache.py for all that may be wrong with it",
    "storage/base.py": "protocols, which tests/laws/test_locations.py meets by a store in memory",
    "storage/staged.py": "test_atomic.py stages and discards by it",
    "strategies/base.py": "a description, which test_actions.py uses",
}  # fmt: skip
"""Modules of more than forty lines without a file of unit tests, and what tests them."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, without the package's own."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def lines_of(path: Path) -> int:
    """How many lines a module has."""
    return path.read_text(encoding="utf-8").count("\n")


def is_registry(path: Path) -> bool:
    """Whether a module is a package's docstring, with a registry or nothing else."""
    return path.name == "__init__.py" and lines_of(path) < SHORT


def top_imports(nodes: list[ast.stmt]) -> Iterator[str]:
    """What is imported when a module is; what is only for type checkers is not."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            yield from top_imports([*node.body, *node.orelse])


def ours(path: Path) -> set[str]:
    """The modules of the package that are imported with a module."""
    found = set()
    for name in top_imports(tree_of(path).body):
        parts = name.split(".")
        if parts[0] == "gradclip_cli":
            while len(parts) > 1 and ".".join(parts[1:]) not in modules():
                parts.pop()
            found.add(".".join(parts[1:]))
    return found - {""}


def lazy_imports(path: Path) -> set[int]:
    """The lines of a module at which something is imported inside a function."""
    return {
        node.lineno
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }


@pytest.mark.skipif(
    find_spec("importlinter") is None or not (ROOT / "pyproject.toml").is_file(),
    reason="import-linter is not installed",
)
def test_imports_go_down_the_floors_only() -> None:
    """The contracts in pyproject.toml hold."""
    linter = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    run = subprocess.run(linter, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_there_is_no_circle() -> None:
    """Modules do not import each other in a circle when they are imported."""
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " imports ".join([*above[above.index(name) :], name])
        if name not in done:
            for other in sorted(ours(modules()[name])):
                visit(other, (*above, name))
            done.add(name)

    for name in modules():
        visit(name, ())


def test_there_are_few_packages_and_loose_modules() -> None:
    """A stranger can keep the map in mind."""
    packages = {path.parent for path in modules().values() if path.parent.parent == PACKAGE}
    loose = {path.name for path in modules().values() if path.parent == PACKAGE} - {"__init__.py", "__main__.py"}
    assert len(packages) <= MOST_PACKAGES, packages
    assert len(loose) <= MOST_LOOSE, loose
    assert len(modules()) <= MOST_MODULES


def test_no_module_is_too_long_and_few_are_short() -> None:
    """A module holds one idea that deserves a room."""
    assert {name: lines_of(path) for name, path in modules().items() if lines_of(path) > LONGEST} == {}
    rooms = [path for path in modules().values() if not is_registry(path)]
    short = [path for path in rooms if lines_of(path) < SHORT]
    assert len(short) <= len(rooms) / 10, short


def test_few_imports_stand_inside_functions() -> None:
    """Imports stand where they are seen; only what would slow the start of every command is imported late."""
    lazy = {name: len(found) for name, path in modules().items() if (found := lazy_imports(path))}
    assert sum(lazy.values()) <= MOST_LAZY, lazy


def test_what_the_command_line_needs_is_light() -> None:
    """No module that help and completion import brings numpy, h5py, rich or obstore."""
    script = (
        "import sys\nfrom importlib import import_module\nfound = {}\nfor name in sys.argv[1:]:\n"
        "    import_module(f'gradclip_cli.{name}')\n"
        "    for heavy in {'numpy', 'h5py', 'rich', 'obstore', 'distributed'} & sys.modules.keys():\n"
        "        found.setdefault(heavy, name)\n"
        "print(found)"
    )
    run = subprocess.run([sys.executable, "-c", script, *LIGHT], capture_output=True, text=True, check=True)
    assert run.stdout == "{}\n"


@pytest.mark.skipif((UNITS / "test_line.py").is_file(), reason="unit tests do not lie where their modules lie")
def test_every_module_has_unit_tests() -> None:
    """A module of more than forty lines has a file of unit tests in its place, or it is said what tests it."""
    untested = {
        place.as_posix()
        for path in modules().values()
        if path.name not in ("__init__.py", "__main__.py") and lines_of(path) > 40
        for place in [path.relative_to(PACKAGE)]
        if not (UNITS / place.with_name(f"test_{place.name}")).is_file()
    }
    stated = {place for place in untested if {place, f"{Path(place).parent}/*.py"} & WITHOUT_UNIT_TESTS.keys()}
    assert untested - stated == set()
    needless = {one for one in WITHOUT_UNIT_TESTS if not any(Path(place).match(one) for place in stated)}
    assert needless == set()


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
    assert [name for name, path in modules().items() if not ast.get_docstring(tree_of(path))] == []

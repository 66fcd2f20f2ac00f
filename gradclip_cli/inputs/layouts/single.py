"""Read dumps in one file."""

from collections.abc import Iterator, Sequence

from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_of


class Single:
    """One file that holds every tensor; the base of the other layouts."""

    single = True
    in_pieces = False
    accumulate: str | None = None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """Return the location."""
        return location

    def tensor_names(self, file: str, names: Sequence[str]) -> Sequence[str]:
        """Return the names in the file."""
        return names

    def companions(self, source: DumpSource) -> tuple[str, ...]:
        """Return no companions."""
        return ()

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return the location as the target of the file."""
        return DumpOutput(location, (location,))

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Return the paths of the files, whose names the outputs keep."""
        return source.files

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Accept any names: the format has checked that they are unique."""

    def check_unchanged(self, source: DumpSource) -> None:
        """Accept the file: its fingerprint is checked whenever it is opened again."""


class SingleFinder:
    """Takes every path as a dump of its own."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield a dump for each path."""
        return (FoundDump(single(path), (k,)) for k, path in enumerate(paths))


SINGLE = Single()
FINDER = SingleFinder()


def single(path: str) -> DumpSource:
    """Return the dump in a file.

    >>> single("run/step_00042.npz").step
    42
    """
    return DumpSource(path, (path,), SINGLE, step_of(path))

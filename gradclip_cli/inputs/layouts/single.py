"""A dump in one file."""

from collections.abc import Iterator, Sequence

from gradclip_cli.inputs.naming import step_of
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump


class Single:
    """One file, which holds every tensor; what any other layout has in common with it is taken from here."""

    single = True
    in_pieces = False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """What a report calls a dump: where it lies."""
        return location

    def tensor_names(self, file: str, names: Sequence[str]) -> Sequence[str]:
        """Names are those in the file."""
        return names

    def companions(self, source: DumpSource) -> tuple[str, ...]:
        """Nothing goes with it."""
        return ()

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Its file goes to the location itself."""
        return DumpOutput(location, (location,))

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Outputs keep the names of the files."""
        return source.files

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """A format has names that differ."""

    def check_unchanged(self, source: DumpSource) -> None:
        """A file is one file."""


class SingleFinder:
    """Takes every path for a dump of its own."""

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

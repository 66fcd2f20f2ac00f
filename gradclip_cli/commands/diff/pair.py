"""Compare two open dumps: their tensors side by side, in one reading; measure what only one of them has."""

from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.commands.diff import rows
from gradclip_cli.engine.compare_ranks import Norms, compare_dumps
from gradclip_cli.engine.compared_dump import ComparedDump
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.notes import Note
from gradclip_cli.numerics.comparison import Comparison
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.reports.diff import DiffParam


class ComparedPair(NamedTuple):
    """Two dumps with the comparisons of their tensors by name, the norms of what was not compared, and each tensor's status."""

    a: ComparedDump
    b: ComparedDump
    compared: dict[str, Comparison]
    rest: tuple[Norms, Norms]
    status: dict[str, str]
    notes: Sequence[Note]

    @property
    def differing(self) -> list[str]:
        """The names of the tensors that are not the same."""
        return [name for name, status in self.status.items() if status != rows.SAME]

    @property
    def elements(self) -> int:
        """The number of elements of the tensors of A."""
        return sum(piece.spec.size for name in self.a.tensors for piece in self.a.pieces_of(name))

    @property
    def names(self) -> list[str]:
        """The names of all tensors of both dumps, in natural order."""
        return sorted(self.status, key=natural)

    def row(self, name: str) -> DiffParam:
        """Return the row of a tensor."""
        found, status = self.compared.get(name), self.status[name]
        if found is None:
            row = rows.measured_row(name, status, self.rest[0].get(name), self.rest[1].get(name))
        else:
            row = rows.compared_row(name, status, found)
        return rows.described(row, self.a, self.b)


def compare_pair(a: ComparedDump, other: ComparedDump, tolerance: Tolerance, run: Run) -> ComparedPair:
    """Compare the tensors of two dumps; what counts in no norm is compared without norms."""
    b = other.named_as(a)
    compared, rest, copies = compare_dumps(a, b, tolerance, run)
    for name in (a.uncounted | b.uncounted) & compared.keys():
        compared[name] = Comparison(compared[name].difference)
    names = dict.fromkeys([*a.tensors, *b.tensors])
    status = {name: rows.status_of(name, a, b, compared.get(name)) for name in names}
    return ComparedPair(a, b, compared, rest, status, [*a.notes, *b.notes, *copies])


def check_names(a: ComparedDump, b: ComparedDump, selection: Selection) -> None:
    """Raise UsageError if a pattern matches no tensor of two dumps, though it should."""
    if selection.has_names:
        check_included({spec.name for file in (*a.files, *b.files) for spec in file.tensors}, selection)

"""Compare two dumps of which either may hold its tensors in pieces: piece by piece, in the order of the files."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple, TypeVar

from gradclip_cli.engine.compare import are_comparable, compare, l2_norms
from gradclip_cli.engine.compared_dump import ComparedDump, StoredTensor
from gradclip_cli.engine.copies import replica_notes, stored_as, with_same_bits
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.naming import natural
from gradclip_cli.notes import Note
from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.products import L2Norm

Norms = Mapping[str, L2Norm]
Found = TypeVar("Found")

Key = tuple[str, int]
"""The name of a tensor, and the number of one of its pieces."""


class Compared(NamedTuple):
    """The comparisons of tensors by name, the norms in both dumps of gradients that were not compared, and notes on copies."""

    comparisons: dict[str, Comparison]
    rest: tuple[Norms, Norms]
    notes: list[Note]


def compare_dumps(a: ComparedDump, b: ComparedDump, tolerance: Tolerance, run: Run) -> Compared:
    """Compare the tensors that both dumps have in one shape, or in as many pieces of the same shapes; measure the others."""
    if a.pieces is not None or b.pieces is not None:
        return _compare_pieces(a, b, tolerance, run)
    found = compare(a.tensors, b.tensors, tolerance, run.workers, run.progress)
    return Compared(found, (uncompared_norms(a, found, run), uncompared_norms(b, found, run)), [])


def _compare_pieces(a: ComparedDump, b: ComparedDump, tolerance: Tolerance, run: Run) -> Compared:
    """Compare the first piece of each tensor with the first one, the second with the second, and so on."""
    of_a, of_b = _pieces(a), _pieces(b)
    alike = _alike(of_a, of_b)
    compared = {key: stored for key, stored in of_a.items() if key[0] in alike}
    found = compare(compared, of_b, tolerance, run.workers, run.progress)
    left_a, left_b = _left(a, of_a, alike, run), _left(b, of_b, alike, run)
    norms_a = left_a | {key: one.a for key, one in found.items() if one.a is not None}
    norms_b = left_b | {key: one.b for key, one in found.items() if one.b is not None}
    by_name = {name: together(parts) for name, parts in _grouped(found.items()).items()}
    notes = [*_copies(a, norms_a, run), *_copies(b, norms_b, run)]
    return Compared(by_name, (_by_name(left_a, of_a), _by_name(left_b, of_b)), notes)


def _left(dump: ComparedDump, pieces: Mapping[Key, StoredTensor], alike: Set[str], run: Run) -> dict[Key, L2Norm]:
    """Measure the pieces of the tensors that are not compared, but for those that count in no norm."""
    left = {key: one for key, one in pieces.items() if key[0] not in alike and key[0] not in dump.uncounted}
    return l2_norms(left, dump.scale, run)


def _pieces(dump: ComparedDump) -> dict[Key, StoredTensor]:
    """Return the pieces of all tensors of a dump, in the order in which they lie there; a whole tensor is one piece."""
    if dump.pieces is None:
        return {(name, 0): stored for name, stored in dump.tensors.items()}
    keys = {index: (name, k) for name, indices in dump.pieces.indices.items() for k, index in enumerate(indices)}
    return {keys[index]: dump.pieces.stored[index] for index in sorted(keys)}


def _alike(a: Mapping[Key, StoredTensor], b: Mapping[Key, StoredTensor]) -> set[str]:
    """Return the names of the tensors of which each piece in one dump can be compared with one in the other."""
    apart = {name for name, _ in a.keys() ^ b.keys()}
    apart |= {key[0] for key in a.keys() & b.keys() if not are_comparable(a[key], b[key])}
    return {name for name, _ in a} - apart


def _grouped(found: Iterable[tuple[Key, Found]]) -> dict[str, list[Found]]:
    """Group what was found about pieces by the names of their tensors."""
    groups: dict[str, list[Found]] = {}
    for (name, _), one in found:
        groups.setdefault(name, []).append(one)
    return groups


def _by_name(norms: Mapping[Key, L2Norm], pieces: Collection[Key]) -> Norms:
    """Add the squares of the pieces of each tensor of which all pieces are gradients."""
    number = Counter(name for name, _ in pieces)
    return {
        name: products.total(parts) for name, parts in _grouped(norms.items()).items() if len(parts) == number[name]
    }


def _copies(dump: ComparedDump, norms: Mapping[Key, L2Norm], run: Run) -> list[Note]:
    """Note the tensors in pieces of which all, or some, have the same bits: only those with the same norm are read again."""
    if dump.pieces is None:
        return []
    stored, kinds, several = dump.pieces.stored, dict[int, object](), dict[str, Sequence[int]]()
    for name, indices in sorted(dump.pieces.indices.items(), key=lambda item: natural(item[0])):
        if len(indices) > 1 and name not in dump.uncounted:
            several[stored[indices[0]].spec.name] = indices
            for k, index in enumerate(indices):
                norm, spec = norms.get((name, k)), stored[index].spec
                if norm is not None and (norm.square[1] or not norm.finite):
                    kinds[index] = *stored_as(spec), norm
    groups = [[[index] for index in indices if index in kinds] for indices in several.values()]
    alike = with_same_bits(groups, kinds.__getitem__, dump.pieces.files, run)
    return replica_notes(dump.source.files[0], several, alike)


def uncompared_norms(dump: ComparedDump, compared: Mapping[str, Comparison], run: Run) -> dict[str, L2Norm]:
    """Return the L2 norms of the gradients of a dump that were not compared, by name."""
    left = dump.tensors.keys() - dump.uncounted - compared.keys()
    return l2_norms({name: one for name, one in dump.tensors.items() if name in left}, dump.scale, run)

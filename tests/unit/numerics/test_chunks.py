"""Pieces are cut into chunks of whole blocks, and the rest."""

import pytest

from gradclip_cli.numerics.chunks import CHUNK, Span, spans
from gradclip_cli.numerics.norms import BLOCK


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, []),
        (1, [(0, 1, 1)]),
        (BLOCK - 1, [(0, 1, BLOCK - 1)]),
        (BLOCK, [(0, 1, BLOCK)]),
        (2 * BLOCK, [(0, 2, BLOCK)]),
        (2 * BLOCK + 1, [(0, 2, BLOCK), (2 * BLOCK, 1, 1)]),
        (3 * BLOCK - 1, [(0, 2, BLOCK), (2 * BLOCK, 1, BLOCK - 1)]),
        (5 * BLOCK + 7, [(0, 2, BLOCK), (2 * BLOCK, 2, BLOCK), (4 * BLOCK, 1, BLOCK), (5 * BLOCK, 1, 7)]),
    ],
)
def test_whole_blocks_come_before_the_rest(size: int, expected: list[tuple[int, int, int]]) -> None:
    """Each chunk is of at most two blocks here; what is shorter than a block stands alone, at the end."""
    found = list(spans(size, 2 * BLOCK))
    assert found == expected
    assert [span.stop for span in found] == [*(span.start for span in found[1:]), *([size] if size else [])]


def test_a_chunk_is_a_whole_number_of_blocks() -> None:
    """No block is cut in two."""
    assert CHUNK % BLOCK == 0
    assert Span(BLOCK, 2, BLOCK).stop == 3 * BLOCK

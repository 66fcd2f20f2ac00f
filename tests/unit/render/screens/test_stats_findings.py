"""Blocks are written short."""

from gradclip_cli.render.screens.stats_findings import block_ranges


def test_blocks_of_numbers_in_a_row() -> None:
    """Only numbers that follow each other, of one stem, are joined."""
    names = ["h.0", "h.1", "h.2", "h.4", "g.5", "x", "h.9", "h.10"]
    assert block_ranges(names) == ["h.0-2", "h.4", "g.5", "x", "h.9-10"]
    assert block_ranges(["9" * 400, "0"]) == ["9" * 400, "0"]

"""What rose first is told by the names of blocks and the steps of dumps."""

from gradclip_cli.reports.check import FirstRise
from gradclip_cli.thresholds.rises import Rise


def test_what_rose_first_is_named() -> None:
    """Columns become blocks, the highest first, and rows become steps; the input is that of the dump in which they rose."""
    rise = Rise(row=1, columns=(2, 0), times=(7.4, 3.1))
    found = FirstRise.of(rise, 2, ["h.0", "h.1", "h.2"], [10, 20, 30], ["a.npz", "b.npz", "c.npz"])
    assert found == (30, 20, "b.npz", ["h.2", "h.0"], [7.4, 3.1])

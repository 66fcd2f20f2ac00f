"""What readers and writers do in another process comes back to those of this one, once, and only where it matters."""

import pytest
from support.elsewhere import act

from gradclip_cli.engine.executors.receipts import map_with_receipts
from gradclip_cli.engine.executors.threads import Threads


class Ledger:
    """Adds up numbers; a copy tells them, and the first knows them."""

    def __init__(self, has_checksums: bool = True, is_copy: bool = False) -> None:
        self.has_checksums, self._is_copy = has_checksums, is_copy
        self.numbers: list[int] = []
        self.taken: list[int] = []

    def add(self, number: int) -> int:
        """Add a number; return its double."""
        self.numbers.append(number)
        return 2 * number

    def receipts(self) -> list[int] | None:
        """Return and forget the numbers of a copy."""
        if not self._is_copy:
            return None
        found, self.numbers = self.numbers, []
        return found

    def take(self, receipts: list[int]) -> None:
        """Take the numbers of a copy."""
        self.taken += receipts

    def __reduce__(self) -> tuple[type["Ledger"], tuple[bool, bool]]:
        return Ledger, (self.has_checksums, True)


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("has_checksums", [True, False])
def test_numbers_of_copies_come_back(has_checksums: bool, elsewhere: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each number is known once here: taken from a copy, or added here; a ledger without checksums is told nothing."""
    ledger = Ledger(has_checksums)
    if elsewhere:
        act(monkeypatch)
    with Threads(1) as workers:
        found = list(map_with_receipts(workers, ledger.add, range(7), 1, [ledger, None, ledger]))
    assert found == [0, 2, 4, 6, 8, 10, 12]
    assert sorted(ledger.numbers) == ([] if elsewhere else list(range(7)))
    assert sorted(ledger.taken) == (list(range(7)) if elsewhere and has_checksums else [])

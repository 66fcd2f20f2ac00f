"""What a user chooses about files is checked before any is looked at."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import ACCUMULATE, REPEATED, Choices


@pytest.mark.parametrize(("files", "taken"), [((), True), (("g*",), True), (("m*", "*.npz"), True), (("m*",), False)])
def test_patterns_are_for_base_names(files: tuple[str, ...], taken: bool) -> None:
    """A file is taken if its base name matches any of the patterns, or if there is none."""
    assert Choices(files).takes("model/g_1.npz") is taken


def test_only_known_choices_are_taken() -> None:
    """Every documented value is; another one is wrong usage that lists them."""
    assert [Choices(repeated=choice).repeated for choice in REPEATED] == list(REPEATED)
    assert [Choices(accumulate=mode).accumulate for mode in ACCUMULATE] == ["mean", "sum"]
    with pytest.raises(UsageError, match="repeated must be one of first, last, keep, error, not 'all'"):
        Choices(repeated="all")
    with pytest.raises(UsageError, match="accumulate must be one of mean, sum, not 'max'"):
        Choices(accumulate="max")


def test_files_are_micro_batches_or_ranks() -> None:
    """They cannot be both."""
    with pytest.raises(UsageError, match="exclude each other"):
        Choices(shards=True, accumulate="sum")

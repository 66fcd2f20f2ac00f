"""The pictures of fixed reports are those that were looked at: `make golden-pictures` writes the files anew."""

import json

import pytest
from golden import pictures

from gradclip_cli.reports.run import RunReport


@pytest.fixture(scope="module")
def reports() -> dict[str, RunReport]:
    """Provide the reports by the names of their files."""
    return pictures.reports()


@pytest.mark.parametrize("name", ["run", "dump"])
def test_the_pictures_are_those_in_the_file(name: str, reports: dict[str, RunReport]) -> None:
    """Every view, table and sentence of a picture is what the file holds; its numbers are plain data."""
    golden = json.loads((pictures.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = json.loads(pictures.text_of(pictures.record(reports[name])))
    assert list(found) == list(golden)
    for picture, record in golden.items():
        assert found[picture] == record, picture


def test_every_file_is_held_against_a_report(reports: dict[str, RunReport]) -> None:
    """The folder holds the reports and no others."""
    assert {path.stem for path in pictures.FOLDER.iterdir()} == set(reports)

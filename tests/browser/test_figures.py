"""Figures as files: what is written in them is text, and can be found in them."""

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from support.made_runs import SHOWN, MadeRun

from docs import figures
from gradclip_cli import report

CHINESE, JAPANESE = "编码器.层.0.权重", "エンコーダ.重み"


def words(path: Path) -> list[str]:
    """Return the texts of an SVG, in their order."""
    return [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))]


def letters(path: Path) -> set[str]:
    """Return the characters that can be taken out of a PDF: those that its maps of glyphs name."""
    maps = re.findall(rb"begincmap(.*?)endcmap", path.read_bytes(), re.DOTALL)
    codes = [code for one in maps for code in re.findall(rb"<[0-9A-F]+> <([0-9A-F]+)>", one)]
    return set("".join(bytes.fromhex(code.decode()).decode("utf-16-be") for code in codes))


@pytest.fixture(scope="module")
def exploding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the figures of the run that explodes, as SVG, PNG and PDF."""
    folder = tmp_path_factory.mktemp("figures")
    inputs = SHOWN["exploding"](folder).inputs
    for format in ("svg", "png", "pdf"):
        report(inputs, figures=folder / "figures", format=format, values=True)
    return folder / "figures"


def test_there_is_a_file_for_each_picture_and_format(exploding: Path) -> None:
    """Each picture is a file of each format, told by its first bytes; SVG asks for nothing."""
    names = {path.stem for path in exploding.iterdir()}
    assert {"norm", "map"} <= names
    assert {path.name for path in exploding.iterdir()} == {
        f"{name}.{format}" for name in names for format in ("svg", "png", "pdf")
    }
    for name in names:
        assert (exploding / f"{name}.pdf").read_bytes().startswith(b"%PDF-1.")
        assert (exploding / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
        assert not re.search(
            r"(href|src)=.?https?:|<script|@import", (exploding / f"{name}.svg").read_text(encoding="utf-8")
        )


def test_a_figure_holds_its_title_thresholds_and_layers_as_text(exploding: Path) -> None:
    """What a figure says can be searched and copied: titles, thresholds with their rules, and names of layers."""
    norm, layers = words(exploding / "norm.svg"), words(exploding / "map.svg")
    assert "Global norm over steps" in norm
    assert [text for text in norm if text.endswith(" mad:5")]
    assert "Layers over steps" in layers
    assert [text for text in layers if text.startswith("blocks.")]


def test_names_of_all_scripts_can_be_taken_out_of_a_pdf(tmp_path: Path) -> None:
    """Where a font has the letters, names in Chinese and Japanese are drawn in a PDF, and can be copied from it."""
    lister = shutil.which("fc-list")
    if lister is None or not subprocess.run([lister, ":lang=zh:lang=ja"], capture_output=True, check=True).stdout:
        pytest.skip("no font has Chinese and Japanese letters")
    norms = np.exp(np.random.default_rng(0).normal(0, 0.3, (6, 2)))
    report(MadeRun([CHINESE, JAPANESE], norms).write(tmp_path / "run"), figures=tmp_path, format="pdf")
    assert set("编码器エンコーダ") <= letters(tmp_path / "map.pdf")


def test_figures_are_the_same_bytes_each_time(exploding: Path, tmp_path: Path) -> None:
    """The same run makes the same figures: they hold no date, no chance and no path."""
    inputs = SHOWN["exploding"](tmp_path).inputs
    for format in ("svg", "png", "pdf"):
        report(inputs, figures=tmp_path / "again", format=format, values=True)
    assert [
        path.name for path in exploding.iterdir() if path.read_bytes() != (tmp_path / "again" / path.name).read_bytes()
    ] == []


def test_the_figures_of_the_docs_are_current(tmp_path: Path) -> None:
    """The figures that the docs show say what the program says today; `make docs-figures` writes them."""
    figures.draw(tmp_path)
    written = {path.name: words(path) for path in figures.FIGURES.glob("*.svg")}
    assert written == {path.name: words(path) for path in tmp_path.iterdir()}
    assert figures.PHOTOGRAPH.stat().st_size < 200_000

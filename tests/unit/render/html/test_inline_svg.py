"""An SVG in a page is small, and its ids are its own."""

import base64
import struct
import zlib
from xml.etree import ElementTree

from gradclip_cli.render.html.inline_svg import inlined

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'


def drawn(columns: int, rows: int, gap: float = 2.0) -> str:
    """A map as Vega draws it: cell (x, y) is red x and green y."""
    cells = [
        f'<path d="M{x * gap},{y * 3}h2v3h-2Z" fill="rgb({x}, {y}, 7)"/>' for y in range(rows) for x in range(columns)
    ]
    return (
        f'{HEAD}<g class="mark-rect role-mark" clip-path="url(#clip1)">{"".join(cells)}</g><clipPath id="clip1"/></svg>'
    )


def test_a_large_map_is_an_image_of_its_cells() -> None:
    """Each cell is one pixel of its colour, and the image has their place."""
    image = next(one for one in ElementTree.fromstring(inlined(drawn(50, 30))).iter() if one.tag.endswith("image"))
    assert [image.get(key) for key in ("x", "y", "width", "height")] == ["0", "0", "100", "90"]
    data = base64.b64decode((image.get("href") or "").partition(",")[2])
    start = data.index(b"IDAT")
    (size,) = struct.unpack(">I", data[start - 4 : start])
    lines = zlib.decompress(data[start + 4 : start + 4 + size])
    assert struct.unpack(">II", data[16:24]) == (50, 30)
    assert [tuple(lines[y * 201 + 1 + 4 * x :][:4]) for x, y in ((0, 0), (49, 2), (7, 29))] == [
        (0, 0, 7, 255),
        (49, 2, 7, 255),
        (7, 29, 7, 255),
    ]


def test_a_small_map_stays_what_it_is() -> None:
    """So does what is no map: rectangles that do not stand in rows and columns."""
    assert inlined(drawn(5, 3)).count("<path") == 15
    uneven = drawn(50, 30).replace("M98.0,", "M103.0,")
    assert inlined(uneven).count("<path") == 1500


def test_ids_are_those_of_the_picture() -> None:
    """Two pictures in a page may use the same ids, and a picture has the same ones whatever was drawn before it."""
    found = inlined(drawn(1, 1), "norm")
    assert 'id="norm-0"' in found
    assert "url(#norm-0)" in found


def test_text_stays_text() -> None:
    """Names that look like markup or ids are not touched."""
    found = inlined(f'{HEAD}<text>&lt;img id="clip1"&gt; url(#clip1)</text></svg>', "norm")
    assert '&lt;img id="clip1"&gt; url(#clip1)</text>' in found

"""A PDF has its parts in one order."""

from gradclip_cli.render.html.pdf_order import in_order


def pdf_of(*objects: bytes) -> bytes:
    """Return a PDF that holds objects in this order; the first word of each is its number."""
    head, body = b"%PDF-1.7\n", b"".join(objects)
    places = {int(one.split()[0]): len(head) + body.index(one) for one in objects}
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    entries = b"".join(b"%010d 00000 n \n" % places[number] for number in sorted(places))
    end = b"trailer\n<<\n  /Root %d 0 R\n>>\nstartxref\n%d\n%%%%EOF" % (root_of(objects), len(head) + len(body))
    return head + body + table + entries + end


def root_of(objects: tuple[bytes, ...]) -> int:
    return next(int(one.split()[0]) for one in objects if b"/a " in one)


def part(number: int, *lines: bytes) -> bytes:
    return b"%d 0 obj\n<<\n%s>>\nendobj\n" % (number, b"".join(b"  " + line + b"\n" for line in lines))


DATA = b"3 0 obj\n<<\n  /Length 9\n>>\nstream\n1 0 R 2 0\nendstream\nendobj\n"


def test_objects_and_names_are_in_order() -> None:
    """Whatever numbers objects have, and in whatever order they and names come, the bytes are the same; streams are left alone."""
    expected = pdf_of(part(1, b"/a 2 0 R", b"/b 3 0 R"), part(2, b"/x 1"), DATA)
    for found in (
        pdf_of(part(1, b"/a 2 0 R", b"/b 3 0 R"), part(2, b"/x 1"), DATA),
        pdf_of(part(2, b"/x 1"), part(1, b"/b 3 0 R", b"/a 2 0 R"), DATA),
        pdf_of(DATA, part(1, b"/x 1"), part(2, b"/b 3 0 R", b"/a 1 0 R")),
    ):
        assert in_order(found) == expected


def test_what_is_no_such_pdf_stays() -> None:
    """A file without a table, or whose objects have no places, comes back as it is."""
    for other in (b"", b"%PDF-1.7\n", b"%PDF-1.7\nstartxref\n0\n%%EOF"):
        assert in_order(other) == other

"""A line is written plainly, in colours, or as HTML."""

import io

from gradclip_cli.render.screens.line import bad, dim, line, strong
from gradclip_cli.render.screens.writer import as_html, write

LINES = [line("norm ", bad("nan"), "  "), line(strong("<b> & 'c'"), dim("  "))]


def written(color: bool) -> str:
    """The lines as a stream receives them."""
    stream = io.StringIO()
    write(LINES, stream, color)
    return stream.getvalue()


def test_a_pipe_gets_text_only() -> None:
    """Without colour there is no control code, and no blank at the end of a line."""
    assert written(color=False) == "norm nan\n<b> & 'c'\n"


def test_a_terminal_gets_the_colours_of_the_meaning() -> None:
    """Red, yellow, bold and dim are the terminal's own; blanks get none."""
    assert written(color=True) == "norm \x1b[31mnan\x1b[0m\n\x1b[1m<b> & 'c'\x1b[0m\n"


def test_a_notebook_gets_escaped_html() -> None:
    """Names are text, never markup."""
    found = as_html(LINES)
    assert '<span style="color:#c62828">nan</span>' in found
    assert "&lt;b&gt; &amp; &#x27;c&#x27;" in found
    assert "<b>" not in found


def test_what_a_stream_cannot_encode_is_escaped() -> None:
    """The function that escapes sees the whole line."""
    stream = io.StringIO()
    write([line("ä")], stream, False, lambda text: text.encode("ascii", "backslashreplace").decode())
    assert stream.getvalue() == "\\xe4\n"

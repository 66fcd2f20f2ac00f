"""Write the lines of a screen as plain text, in colours, or as HTML."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO

from gradclip_cli.render.screens.line import Line, Span, text_of

_COLORS = {"bad": "31", "warn": "33", "strong": "1", "dim": "2"}
"""The terminal's own red and yellow, bold and dim: they are readable on a light and on a dark ground."""

_CSS = {
    "bad": "color:#c62828",
    "warn": "color:#b26a00",
    "strong": "font-weight:bold",
    "dim": "opacity:.65",
}


def write(lines: Iterable[Line], stream: IO[str], color: bool, escape: Callable[[str], str] = str) -> None:
    """Write lines to a stream; `escape` replaces characters that it cannot encode."""
    one = _colored if color else text_of
    texts = map(one, lines) if escape is str else (escape(one(line)) for line in lines)
    stream.writelines(f"{text}\n" for text in texts)


def as_html(lines: Iterable[Line], styles: Mapping[str, str] = _CSS) -> str:
    """Return lines as HTML, by default for a notebook: text that is escaped, in the page's own colours or in these `styles`."""
    body = "\n".join("".join(_marked(span, styles) for span in line) for line in lines)
    return f'<pre style="line-height:1.25;white-space:pre;overflow-x:auto">{body}</pre>'


def _colored(line: Line) -> str:
    return "".join(_of_style(line)).rstrip()


def _of_style(line: Line) -> Iterator[str]:
    for span in line:
        yield f"\x1b[{_COLORS[span.style]}m{span.text}\x1b[0m" if span.style and span.text.strip() else span.text


def _marked(span: Span, styles: Mapping[str, str]) -> str:
    import html  # only notebooks need it

    text = html.escape(span.text)
    return f'<span style="{styles[span.style]}">{text}</span>' if span.style else text

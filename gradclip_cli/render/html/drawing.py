"""Draw pictures by vl-convert, which holds Vega and Vega-Lite: as SVG, PNG or PDF, or the scripts that draw them in a page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradclip_cli.errors import UsageError
from gradclip_cli.render.html.pdf_order import in_order
from gradclip_cli.render.html.theme import NUMBERS

if TYPE_CHECKING:
    from types import ModuleType

FORMATS = ("svg", "png", "pdf")
"""The formats of figures."""

BUNDLE = "window.vegaEmbed = vegaEmbed;"
"""What the scripts of a page end with."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_SCALE = 2
"""The pixels of a PNG for each pixel of its picture, so that it is sharp on paper and on fine screens."""


def check_library() -> None:
    """Raise UsageError where vl-convert is not installed."""
    _library()


def _library() -> "ModuleType":
    try:
        import vl_convert
    except ImportError as error:
        needs = "report needs vl-convert-python: pip install 'gradclip-cli[report]'"
        raise UsageError(needs) from error
    return vl_convert


def scripts() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which defines `vegaEmbed`."""
    found: str = _library().javascript_bundle(BUNDLE)
    return found


def compiled(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite spec as the Vega spec that draws it."""
    found: dict[str, Any] = _library().vegalite_to_vega(_of_version(spec))
    return found


def svg_of(vega: Mapping[str, Any]) -> str:
    """Draw a Vega spec as SVG; nothing is fetched for it."""
    found: str = _library().vega_to_svg(dict(vega), allowed_base_urls=[], format_locale=NUMBERS)
    return found


def drawn(spec: Mapping[str, Any], format: str) -> bytes:
    """Draw a Vega-Lite spec in one of `FORMATS`; nothing is fetched for it."""
    draw = getattr(_library(), f"vegalite_to_{format}")
    scale = {"scale": _SCALE} if format == "png" else {}
    found: str | bytes = draw(_of_version(spec), allowed_base_urls=[], format_locale=NUMBERS, **scale)
    if isinstance(found, str):
        return found.encode()
    return in_order(found) if format == "pdf" else found


def _of_version(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"$schema": _SCHEMA, **spec}

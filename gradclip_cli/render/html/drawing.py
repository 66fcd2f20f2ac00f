"""Draw pictures by vl-convert, which holds Vega and Vega-Lite: as SVG, PNG or PDF, or the scripts that draw them in a page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradclip_cli.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

FORMATS = ("svg", "png", "pdf")
"""The formats of figures."""


def check_library() -> None:
    """Raise UsageError where vl-convert is not installed."""
    library()


def library() -> "ModuleType":
    """Return vl-convert; raise UsageError where it is not installed."""
    try:
        import vl_convert
    except ImportError as error:
        needs = "report needs vl-convert-python: pip install 'gradclip-cli[report]'"
        raise UsageError(needs) from error
    return vl_convert


def scripts() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which defines `vegaEmbed`."""
    found: str = library().javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return found


def drawn(spec: Mapping[str, Any], format: str) -> bytes:
    """Draw a Vega-Lite spec in one of `FORMATS`."""
    draw = getattr(library(), f"vegalite_to_{format}")
    found: str | bytes = draw(dict(spec))
    return found.encode() if isinstance(found, str) else found

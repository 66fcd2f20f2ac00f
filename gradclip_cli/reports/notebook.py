"""Show reports in notebooks: the screen as HTML, and rows as a pandas data frame."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import pandas

    from gradclip_cli.notes import Note


class InNotebooks:
    """What every report can do in a notebook."""

    __slots__ = ()

    schema: ClassVar[str]
    scopes: ClassVar[Mapping[str, str]]
    kinds: ClassVar[tuple[str, ...]]

    if TYPE_CHECKING:

        @property
        def notes(self) -> Sequence["Note"]:
            """The notes on the report."""

    def _repr_html_(self) -> str:
        """Return the screen that the command shows as HTML; names are escaped."""
        from gradclip_cli.render.notebook import as_html

        return as_html(self)

    def to_dataframe(self, by: str | None = None) -> "pandas.DataFrame":
        """Return the rows of csv as a data frame: those of one scope, such as `layer` or `step`, or of the first it has.

        NaN, infinities and None stay what they are. Raises UsageError for an unknown scope, or where pandas is not installed.
        """
        from gradclip_cli.render.notebook import as_dataframe

        frame: Any = as_dataframe(self, by)
        return frame

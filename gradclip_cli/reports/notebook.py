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
        """Return the rows that csv has `--by` a kind, such as `layer` or `step`, as a data frame; by default those of tensors.

        NaN, infinities and None stay what they are. Raises UsageError for a kind that the report lacks, or without pandas.
        """
        from gradclip_cli.render.notebook import as_dataframe

        frame: Any = as_dataframe(self, by)
        return frame

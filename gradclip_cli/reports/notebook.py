"""Show reports in notebooks and at a prompt: the screen as HTML, rows as a pandas data frame, and a short name."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


class InNotebooks:
    """What every report can do in a notebook; it comes first of the classes that a report is made of."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the name of the report and of its fields: their values may be a million rows."""
        report: Any = self
        return f"<{type(self).__name__} with {', '.join(report._fields)}>"

    def _repr_html_(self) -> str:
        """Return the screen that the command shows as HTML; names are escaped."""
        from gradclip_cli.render.notebook import as_html

        report: Any = self
        return as_html(report)

    def to_dataframe(self, by: str | None = None) -> "pandas.DataFrame":
        """Return the rows that csv has `--by` a kind, such as `layer` or `step`, as a data frame; by default those of tensors.

        NaN, infinities and None stay what they are. Raises UsageError for a kind that the report lacks, or without pandas.
        """
        from gradclip_cli.render.notebook import as_dataframe

        report: Any = self
        frame: Any = as_dataframe(report, by)
        return frame

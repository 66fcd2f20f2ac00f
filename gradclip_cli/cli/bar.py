"""Draw the progress bar with rich, which is imported only when work takes long enough to need a bar."""

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Column


def make_bar(color: bool, named: bool) -> Progress:
    """Lay out a bar: bytes done, speed, time left, and the current file where there are several."""
    name = TextColumn("{task.fields[file]}", markup=False, table_column=Column(no_wrap=True, ratio=1))
    return Progress(
        BarColumn(20),
        DownloadColumn(),
        TextColumn("[red]{task.fields[pace]}[/]"),
        *([name] if named else []),
        console=Console(stderr=True, no_color=True if not color else None),
        transient=True,
        expand=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )

"""How the progress bar looks: rich draws it, and is imported only for work that takes long enough for a bar."""

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Column


def drawn(color: bool, named: bool) -> Progress:
    """Lay out a bar: how much, how fast, how long still, and of several files, which."""
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

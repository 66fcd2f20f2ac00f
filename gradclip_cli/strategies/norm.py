"""What several plans have in common: the number of threads."""

from gradclip_cli.errors import UsageError


def check_jobs(jobs: int | None) -> None:
    """Raise UsageError for a number of threads that cannot be."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {jobs}")

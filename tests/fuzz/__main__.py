"""The search as a program: it ends with 1 if anything was found."""

import argparse
import sys
import time
from pathlib import Path

from fuzz.loop import for_minutes, for_mutants, search
from gradclip_cli.formats import FORMATS


def main() -> int:
    """Search every format that was asked for."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=f"default: {' '.join(FORMATS)}; also hdf5-sealed")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each format (default: 1)")
    parser.add_argument("--first", type=int, help="number of the first mutant (default: taken from the clock)")
    parser.add_argument("--count", type=int, help="try so many mutants, however long it takes")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for what is found")
    given = parser.parse_args()
    first = int(time.time()) * 1000 if given.first is None else given.first
    found = 0
    for format in given.formats or FORMATS:
        tried, enough = 0, for_minutes(given.minutes) if given.count is None else for_mutants(given.count)

        def counted(done: int) -> bool:
            nonlocal tried
            tried = done
            return enough(done)  # noqa: B023 (it is called in this round only)

        print(f"{format}: mutants from {first} on", flush=True)
        for finding in search(format, first, counted):
            found += 1
            print(f"{format} {finding.number}: {finding.what}\n  kept as {finding.save(given.keep)}", flush=True)
        print(f"{format}: {tried} mutants", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

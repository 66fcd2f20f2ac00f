"""The types that reports are made of, found in their modules."""

import importlib
import pkgutil
from typing import Any

from gradclip_cli import reports


def report_types() -> dict[str, Any]:
    """Return the public types of reports and of their rows by name, module by module in the order of the alphabet."""
    found: dict[str, Any] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(reports.__path__)):
        members = vars(importlib.import_module(f"{reports.__name__}.{module}"))
        found |= {
            name: kind
            for name, kind in members.items()
            if hasattr(kind, "_fields") and kind.__module__ == f"{reports.__name__}.{module}" and name[0].isupper()
        }
    del found["Field"]  # says what a field is, and is none
    return found


def report_kinds() -> list[Any]:
    """Return the types of whole reports, each schema once: a kind of report may have the schema of another."""
    return [kind for kind in report_types().values() if "schema" in vars(kind)]

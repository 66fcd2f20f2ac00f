"""Print the oldest versions of the dependencies that pyproject.toml allows, as requirements: `name==version`, one a line."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    found = re.fullmatch(r"([\w.-]+)>=([\d.]+)(?:,<\d+)?", requirement)
    if found is None:
        raise SystemExit(f"{requirement!r} states no oldest version")
    print("==".join(found.groups()))

"""The dumps in a folder, each made when it is first needed."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.commands import AT, HERE, environment
from benchmarks.machine import processors

SUFFIXES = dict.fromkeys(("f32", "large", "tiny", "bf16", "f16", "many", "million"), ".safetensors")
SUFFIXES |= {"h5": ".h5", "gzip": ".h5", "gzips": ".h5", "npz": ".npz", "deflated": ".npz"}
SUFFIXES |= dict.fromkeys(("series", "run", "four"), "")
SUFFIXES |= {"npz3000": ".npz", "h53000": ".h5", "fifty": "", "small": ""}
"""The names of all dumps, which `data.py` makes, and how their files' names end."""


BUCKET = "s3://bench"
"""Where a server has what is in the folder of the dumps."""


class Dumps:
    """The dumps in a folder, of a scale; 1 is the size that the table is about."""

    def __init__(self, folder: Path, scale: float) -> None:
        self.folder, self.scale = folder, scale
        self.paths: dict[str, Path] = {}

    def keep(self, names: set[str]) -> None:
        """Delete the others: all at once would take many gigabytes."""
        for name in self.paths.keys() - names:
            path = self.paths.pop(name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def places(self, names: set[str]) -> dict[str, str]:
        """Return what stands for the words in braces, dumps of these names among them."""
        for name in sorted(names - self.paths.keys()):
            self.paths[name] = self.made(name)
        fixed = {
            "out": str(self.folder / "out"),
            "processors": str(processors()),
            f"{AT}out": f"{BUCKET}/out.safetensors",
        }
        remote = {f"{AT}{name}": f"{BUCKET}/{path.name}" for name, path in self.paths.items()}
        return {**fixed, **remote, **{name: str(path) for name, path in self.paths.items()}}

    def made(self, name: str) -> Path:
        """Make a dump in a process of its own: where only a largest size is known, this one's counts as that of its children."""
        path = self.folder / f"{name}{SUFFIXES[name]}"
        command = [sys.executable, "-m", "benchmarks.data", name, str(path), str(self.scale)]
        subprocess.run(command, check=True, cwd=HERE.parent, env=environment())
        return path

    def tidy(self) -> None:
        """Delete what commands wrote."""
        for path in self.folder.glob("out*"):
            path.unlink()

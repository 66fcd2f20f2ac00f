"""Draw the picture of the README: what a real run shows on a terminal with colours, as SVG."""

import io
import os
import pty
import select
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from docs.places import DOCS, ROOT, SAMPLES

PICTURE = DOCS / "stats.svg"
COMMAND = "gradclip stats sample_data/char_lstm"
COLUMNS = 100

_FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <title>COMMAND</title>
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    <rect fill="#292929" width="{width}" height="{height}" rx="8"/>
    <g transform="translate({terminal_x}, 20)" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
"""As rich's own, but for its title bar and its font from the network."""


def picture() -> str:
    """Return the SVG."""
    sink = io.StringIO()
    console = Console(record=True, width=COLUMNS, file=sink, force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(f"$ {COMMAND}\n{screen()}"), no_wrap=True, overflow="crop")
    return console.export_svg(title=COMMAND, code_format=_FRAME.replace("COMMAND", COMMAND), unique_id="gradclip")


def screen() -> str:
    """Run the command on a terminal of its own and return what it shows, colours and all."""
    leader, follower = pty.openpty()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample_data").symlink_to(SAMPLES)
        argv = [sys.executable, "-m", "gradclip_cli", *COMMAND.split()[1:]]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
        variables.pop("NO_COLOR", None)
        process = subprocess.Popen(argv, cwd=folder, env=variables, stdout=follower, stderr=subprocess.DEVNULL)
        os.close(follower)
        shown = _all_of(leader)
        os.close(leader)
        if process.wait():
            raise SystemExit(f"{COMMAND} ended with {process.returncode}")
    return shown.decode().replace("\r\n", "\n").rstrip()


def _all_of(leader: int) -> bytes:
    """Read until the other end is closed, which Linux reports as an error."""
    parts = []
    while select.select([leader], [], [], 60)[0]:
        try:
            parts.append(os.read(leader, 65536))
        except OSError:
            break
        if not parts[-1]:
            break
    return b"".join(parts)

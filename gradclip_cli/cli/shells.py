"""Complete in bash, zsh and fish by click's protocol, and quote names that hold characters special to a shell.

click's own script for bash splits words at `=` and `:` and quotes nothing, and its script for fish splits names at commas.
This module can go as soon as click handles both.
"""

import os
import re
from dataclasses import dataclass

from click import Command
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    add_completion_class,
    get_completion_class,
    shell_complete,
)

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.stdio import discard

SHELLS = ("bash", "zsh", "fish")

_PLAIN = re.compile(r"[^\w@%+=:,./-]")
_IN_DOUBLE_QUOTES = re.compile(r'(["$`\\])')


@dataclass
class Typed:
    """A command line up to the cursor: the complete words, and the `word` being typed, without its quotes.

    `quote` is the quote still open; bash keeps the first `kept` characters of `word`, and replaces the others.
    """

    words: list[str]
    word: str
    quote: str
    kept: int


def typed(line: str, breaks: str) -> Typed:
    """Split a line as bash does; `breaks` is its COMP_WORDBREAKS, after which it begins to replace a word.

    >>> typed("ls 'my file' --layer lstm=cl", "=:")
    Typed(words=['ls', 'my file', '--layer'], word='lstm=cl', quote='', kept=5)
    >>> typed("ls 'my fi", "=:").quote
    "'"
    """
    words, word, quote, kept = list[str](), "", "", 0
    begun = escaped = False
    for c in line:
        if escaped:
            word += c if quote != '"' or c in '"\\$`' else f"\\{c}"
            escaped = False
        elif c == "\\" and quote != "'":
            begun = escaped = True
        elif c == quote or (not quote and c in "'\""):
            quote, begun, kept = "" if quote else c, True, len(word)
        elif c.isspace() and not quote:
            words += [word] if begun else []
            word, begun, kept = "", False, 0
        else:
            word, begun = word + c, True
            kept = len(word) if c in breaks and not quote else kept
    return Typed(words, word, quote, kept)


def quoted(text: str, quote: str) -> str:
    r"""Quote a text for bash, after the open quote `quote`, or after none.

    >>> print(quoted("my w$", ""), quoted("it's", "'"))
    my\ w\$ it'\''s
    """
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote:
        return _IN_DOUBLE_QUOTES.sub(r"\\\1", text).replace("!", '"\\!"')  # or bash would expand its history
    return _PLAIN.sub(r"\\\g<0>", text)


class Bash(BashComplete):
    """Complete the raw line: bash splits words at `=` and `:`, and inserts answers as unquoted shell text."""

    source_template = r"""
%(complete_func)s() {
    local item
    COMPREPLY=()
    while IFS= read -r item; do
        case $item in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*) COMPREPLY+=("${item#plain,}") ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the complete words before the cursor, and the one being typed."""
        line = os.environ.get("COMP_LINE")
        if line is None:
            self._typed = None
            return super().get_completion_args()
        self._typed = typed(line, os.environ.get("COMP_WORDBREAKS", ""))
        return self._typed.words[1:], self._typed.word

    def format_completion(self, item: CompletionItem) -> str:
        """Return the text that bash inserts for the part of the word that it replaces."""
        if self._typed is None or item.type != "plain":
            return super().format_completion(item)
        option, equals, _ = self._typed.word.partition("=")
        whole = f"{option}={item.value}" if equals and option.startswith("--") else item.value
        return f"plain,{quoted(whole[self._typed.kept :], self._typed.quote)}"


class Fish(FishComplete):
    """Complete in fish; the script splits an answer at its first comma only, since names may hold others."""

    source_template = """\
function %(complete_func)s;
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) %(prog_name)s);

    for completion in $response;
        set -l metadata (string split --max 1 "," $completion);

        if test $metadata[1] = "dir";
            __fish_complete_directories $metadata[2];
        else if test $metadata[1] = "file";
            __fish_complete_path $metadata[2];
        else if test $metadata[1] = "plain";
            echo $metadata[2];
        end;
    end;
end;

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)";
"""


def answer(commands: Command, variable: str, instruction: str) -> None:
    """Answer a shell that asks for its script or for completions; in the latter case write no error into the user's line."""
    add_completion_class(Bash)
    add_completion_class(Fish)
    shell, _, question = instruction.partition("_")
    if get_completion_class(shell) is None or question not in ("source", "complete"):
        known = ", ".join(f"{name}_source" for name in SHELLS)
        raise UsageError(f"{variable} is {instruction!r}, which no shell asks; give one of {known}")
    if question == "complete":
        discard(2)
    shell_complete(commands, {}, "gradclip", variable, instruction)

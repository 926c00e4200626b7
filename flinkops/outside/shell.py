"""Commands that are printed for people to paste: every word of them stands in the shell for itself and nothing else."""

import shlex
import unicodedata
from collections.abc import Iterable

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def shell_word(text: str) -> str:
    r"""One word, quoted where it has to be; what a terminal would obey or not show is spelled out.

    >>> shell_word("orders"), shell_word("$(rm -rf ~)"), shell_word("a\nb")
    ('orders', "'$(rm -rf ~)'", "$'a\\nb'")
    """
    if not any(unicodedata.category(char) in _INVISIBLE for char in text):
        return shlex.quote(text)
    return f"$'{''.join(map(_spelled, text))}'"


def shell_command(*words: str) -> str:
    """A whole command.

    >>> shell_command("flinkops", "status", "my job")
    "flinkops status 'my job'"
    """
    return " ".join(map(shell_word, words))


def shell_words(words: Iterable[str]) -> str:
    """Some words of a command."""
    return " ".join(map(shell_word, words))


def _spelled(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if unicodedata.category(char) not in _INVISIBLE:
        return char
    if "\udc80" <= char <= "\udcff":  # a byte that is no UTF-8, as Python names it
        return f"\\x{ord(char) - 0xDC00:02x}"
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    return named or (f"\\x{ord(char):02x}" if ord(char) < 0x80 else f"\\U{ord(char):08x}")

"""The telling end of a log, on one line."""

_FEW_LINES = 5
_MAX_CHARACTERS = 400
_SIGNS = ("Exception", "ERROR", "Error", "No space left")


def telling_end(text: str) -> str:
    """What a process that failed said last about it: the end of a short text, of a long one the last errors."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _FEW_LINES:
        lines = [line for line in lines if any(sign in line for sign in _SIGNS)] or lines
    joined = " | ".join(lines[-2:]) or "it said nothing"
    return "".join(character if character.isprintable() else " " for character in joined)[-_MAX_CHARACTERS:]

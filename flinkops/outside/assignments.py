"""Secrets that a name announces: `password=x`, `"apiKey": "x"`, `--token x`, `<pwd>x</pwd>`, headers, sentences."""

import re
from collections.abc import Iterator

from flinkops.outside.keys import is_secret_name
from flinkops.outside.reader import QUOTE, SEPARATOR, Reader, Span

_GAP = re.compile(
    rf"(?P<close>{QUOTE})?[\])]{{0,2}}[ \t]{{0,40}}(?P<sep>{SEPARATOR})(?P<blank>\s{{0,80}})(?P<open>{QUOTE})?"
)
_LISTED = re.compile(rf"(?P<close>{QUOTE})\s{{0,8}},\s{{0,80}}(?P<open>{QUOTE})")
_FLAG = re.compile(
    rf"(?P<close>{QUOTE})?(?:,[ \t]{{0,8}}|[ \t]{{1,40}})(?P<open>{QUOTE})?"
    rf"(?!-{{1,2}}[A-Za-z][\w-]{{0,60}}(?:[\s=,\])\"']|\Z))"
)
_ARROW = re.compile(rf"(?:{QUOTE})?+\s{{0,4}}+(?:->|→|⇒)\s{{1,4}}+(?P<open>{QUOTE})?+")
_FROM_TO = re.compile(rf"(?:{QUOTE})?+\s{{1,4}}+to\s{{1,4}}+(?P<open>{QUOTE})?+")
_PROPERTY = re.compile(r"(?P<close>),\s{1,4}")
_TAG = re.compile(r"(?:\s{1,8}[\w:.\-]{1,60}\s?=[^<>]{0,200})?>\s{0,80}(?:<!\[CDATA\[)?")
_NAMED_ELEMENT = re.compile(
    r"[\"'](?:\s{1,8}[\w:.\-]{1,60}\s?=\s?(?:\"[^\"<>]{0,100}\"|'[^'<>]{0,100}'))?\s{0,8}>\s{0,80}(?:<!\[CDATA\[)?"
)
_PAIR = re.compile(
    rf"(?:{QUOTE})?+\s{{0,80}}+(?:,|/?>|</\w{{1,40}}+>)?+\s{{0,80}}+<?(?:{QUOTE})?+-?\s{{0,4}}+"
    rf"(?i:value|val|stringvalue|default|content)(?:{QUOTE})?+\s{{0,20}}+(?:{SEPARATOR}|>)\s{{0,80}}+(?P<open>{QUOTE})?+"
)
_NAME_AFTER = re.compile(
    rf"(?:{QUOTE})?+\s{{0,80}}+,?\s{{0,80}}+(?:{QUOTE})?+(?i:name|key|property)(?:{QUOTE})?+\s{{0,20}}+(?:{SEPARATOR})"
    rf"\s{{0,80}}+(?:{QUOTE})?+(?P<name>[\w.\-]{{1,200}}+)"
)
_SENTENCE = re.compile(
    rf"(?:\s{{1,4}}(?P<verb>is|was|are|to|be|set to|changed to|changed from|from|being|ist|value|of value))?"
    rf"\s{{0,4}}(?<=\s)(?P<open>{QUOTE})?"
    r"(?P<value>[^\s\"'`]{1,400}+)"
)
_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2", "www-authenticate"})
_NOT_SECRET = re.compile(
    r"(?i:true|false|null|none|nil|undefined|yes|no|\*+|x{3,}|<redacted>|\$\{[^}]{0,200}\}|\$\w{1,80})"
    r"(?=[\s,;&)\]}\"'`<\\]|\Z)"
)
_BLOCK = re.compile(r"[|>][+\-0-9]{0,2}[ \t]{0,8}\n")
_BLOCK_SIGN = re.compile(r"[|>][+\-0-9]{0,2}[ \t]{1,40}(?=\S)")
_OPENED = re.compile(r"\s{0,4}(?=\{)")
_STACK = re.compile(r"at [\w$.]+\(|Caused by:|\.\.\. \d")
_ORDINARY = frozenset({
    "incorrect", "invalid", "wrong", "not", "required", "missing", "expired", "empty", "null", "too", "no", "set",
    "unset", "needed", "given", "provided", "used", "unknown", "bad", "weak", "strong", "correct", "valid", "ok",
    "the", "a", "an", "for", "of", "in", "and", "or", "by", "with", "must", "should", "cannot", "can", "may",
    "will", "mandatory", "optional", "allowed", "denied", "rejected", "refused", "accepted", "disabled",
    "enabled", "encrypted", "unchanged", "changed", "default", "masked", "hidden", "absent", "present", "failed",
    "failing", "false", "true",
})  # fmt: skip
_BEFORE_PROPERTY = "configuration property: "
_SPOKEN = (
    "passw",
    "passphrase",
    "secret",
    "pwd",
    "passcode",
    "token",
    "credential",
    "requirepass",
    "kennwort",
    "apikey",
)


def assigned(text: str) -> Iterator[Span]:
    """Spans of values that stand beside a secret's name."""
    reader = Reader(text)
    done = 0
    for start, end in reader.words():
        if start < done:
            continue
        span = _span(reader, start, end)
        if span is None or span[1] <= span[0]:
            continue
        done = span[1]
        yield span
        to = _FROM_TO if text.endswith(("from ", "from '", 'from "'), max(0, span[0] - 6), span[0]) else _ARROW
        while changed := to.match(text, done):  # `key : old -> new`
            at = changed.end()
            done = max(at, reader.value_end(changed["open"], at))
            yield at, done


def _span(reader: Reader, start: int, end: int) -> Span | None:
    text = reader.text
    name = text[start:end]
    if name.lower() in ("value", "val"):
        return _value_before_name(reader, end)
    flagged = start > 0 and text[start - 1] == "-"
    if flagged and name[:1] == "D":
        name = name[1:]
    if not is_secret_name(name):
        return None
    if name.lower() in _HEADERS:
        return _header(reader, start, end)
    return (
        _tagged(reader, start, end)
        or _after_separator(reader, start, end)
        or _paired(reader, start, end)
        or _opened(reader, end)
        or (_after_flag(reader, start, end) if flagged else None)
        or _listed(reader, start, end)
        or _spoken(reader, name, end)
    )


def _after_separator(reader: Reader, start: int, end: int) -> Span | None:
    text = reader.text
    gap = _GAP.match(text, end)
    if gap is None and text.endswith(_BEFORE_PROPERTY, max(0, start - 40), start):
        gap = _PROPERTY.match(text, end)
        return (gap.end(), reader.line_end(gap.end())) if gap else None
    if gap is None:
        return None
    quote, at = gap["open"], gap.end()
    if "\n" in gap["blank"] and _STACK.match(text, at):
        return None
    if not quote and _NOT_SECRET.match(text, at):
        return None
    if not quote and _BLOCK.match(text, at):
        return _block(reader, at)
    if not quote and (sign := _BLOCK_SIGN.match(text, at)):
        at = sign.end()  # a block whose lines were joined
    if not quote and not gap["close"] and _begins_line(text, start) and text[at : at + 1] not in "[{(":
        return at, reader.line_end(at)
    return at, reader.value_end(quote, at)


def _begins_line(text: str, start: int) -> bool:
    """Whether nothing stands before a name on its line, as in properties, YAML and lists of variables."""
    at = start
    while at > 0 and start - at < 40 and (text[at - 1] in " \t#" or (text[at - 1] == "-" and text[at] == " ")):
        at -= 1
    if text.endswith(("export ", "set ", "ENV ", "env "), max(0, at - 7), at):
        return True
    return at == 0 or text[at - 1] == "\n"


def _block(reader: Reader, at: int) -> Span:
    """A text block of YAML: it goes on while lines are indented."""
    end = reader.line_end(at)
    while reader.text[end + 1 : end + 2] in (" ", "\t"):
        end = reader.line_end(end + 1)
    return at, end


def _header(reader: Reader, start: int, end: int) -> Span | None:
    text = reader.text
    gap = _GAP.match(text, end)
    if gap is None:
        return None
    at = gap.end()
    if gap["open"] or text[at : at + 1] in ("[", "("):
        return at, reader.value_end(gap["open"], at)
    around = text[start - 1] if start and text[at : at + 6].lower() != "digest" else ""
    stop = reader.line_end(at)
    return at, reader.closing(around, at, stop) if around in "\"'`" and around else stop


def _tagged(reader: Reader, start: int, end: int) -> Span | None:
    """XML: the content of an element, by its name or by that in an attribute (`<entry key="db.password">x</entry>`)."""
    text = reader.text
    opening = text.rfind("<", max(0, start - 100), start)
    if opening < 0:
        return None
    before = text[opening + 1 : start]
    if all(char.isalnum() or char in ":_-." for char in before):
        gap = _TAG.match(text, end)
    elif before[-1:] in ("'", '"') and ">" not in before:
        gap = _NAMED_ELEMENT.match(text, end)
    else:
        return None
    if gap is None or text[gap.end() - 2 : gap.end()] == "/>":
        return None
    at = gap.end()
    closing = text.find("<" if "CDATA" not in gap[0] else "]]>", at, at + 20_000)
    closing = closing if closing >= 0 else len(text)
    return (at, closing) if closing > at else None


def _paired(reader: Reader, start: int, end: int) -> Span | None:
    """`{"name": "DB_PASS", "value": "x"}`, its YAML, and `<name>…</name><value>x</value>`."""
    gap = _PAIR.match(reader.text, end)
    if gap is None:
        return None
    at = gap.end()
    if not gap["open"] and gap[0].rstrip().endswith(">"):
        return at, reader.closing("<", at, min(len(reader.text), at + 20_000))
    if not gap["open"] and "\n" in gap[0]:
        return _block(reader, at) if _BLOCK.match(reader.text, at) else (at, reader.line_end(at))
    return at, reader.value_end(gap["open"], at)


def _value_before_name(reader: Reader, end: int) -> Span | None:
    """`{"value": "x", "name": "DB_PASS"}`."""
    gap = _GAP.match(reader.text, end)
    if gap is None:
        return None
    at = gap.end()
    if at < reader.examined:
        return None
    stop = reader.examined = reader.value_end(gap["open"], at)
    named = _NAME_AFTER.match(reader.text, stop)
    return (at, stop) if named and is_secret_name(named["name"]) else None


def _opened(reader: Reader, end: int) -> Span | None:
    """`credentials { … }`, as HOCON writes objects."""
    gap = _OPENED.match(reader.text, end)
    return (gap.end(), reader.bracket_end(gap.end())) if gap else None


def _after_flag(reader: Reader, start: int, end: int) -> Span | None:
    """`--password x`, also with `x` on the next line, as Flink logs a program's arguments."""
    text = reader.text
    gap = _FLAG.match(text, end)
    if gap is not None and gap.end() < len(text) and text[gap.end()] != "\n":
        at = gap.end()
        if gap["open"]:
            return at, reader.quoted_end(gap["open"], at)
        if text[at] in "[{(":
            return at, reader.bracket_end(at)
        return at, reader.bare_end(at)
    line = reader.line_end(end)
    if line >= len(text) or text[end:line].strip(" \t\r\"',"):
        return None
    stop = reader.line_end(line + 1)
    after_prefix = text.rfind(" - ", line + 1, stop)
    at = after_prefix + 3 if after_prefix >= 0 else line + 1
    return None if text[at:stop].lstrip(" \"'").startswith("--") else (at, stop)


def _listed(reader: Reader, start: int, end: int) -> Span | None:
    """`("password", "x")`: an element of a list or a tuple after the name."""
    gap = _LISTED.match(reader.text, end)
    return (gap.end(), reader.quoted_end(gap["open"], gap.end())) if gap else None


def _spoken(reader: Reader, name: str, end: int) -> Span | None:
    """`password is x`, `password x`: only what does not look like an ordinary word of a sentence."""
    lower = name.lower()
    if not any(word in lower for word in _SPOKEN):
        return None
    said = _SENTENCE.match(reader.text, end)
    if said is None:
        return None
    value = said["value"].rstrip(".,;:!?)")
    start = said.start("value")
    if said["open"]:
        return start, max(start, reader.quoted_end(said["open"], start))
    if value.lower() in _ORDINARY or not value:
        return None
    unusual = any(char.isdigit() for char in value) or not value.isalnum() or not (value.islower() or value.istitle())
    return (start, start + len(value)) if unusual or said["verb"] else None

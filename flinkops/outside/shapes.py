"""Secrets that their own form betrays: keys in PEM, tokens of known makers, JWTs, logins in URLs, random strings."""

import re
from collections.abc import Iterator

from flinkops.outside.reader import Span

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|---- BEGIN SSH2 ENCRYPTED PRIVATE|PuTTY-User-Key-File")
_PEM_LONGEST = 20_000
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"gh[pousr]_|github_pat_|gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-|xox[abposre]-|xapp-|xwfp-"
    r"|[spr]k_(?:live|test|prod)_|whsec_|sk-(?:ant-|proj-|or-)?|npm_|pypi-|dop_v1_|doo_v1_|dor_v1_|hf_|dckr_(?:pat|oat)_"
    r"|shp(?:at|ca|pa|ss)_|hv[sbr]\.|ATATT|ATCTT|ATBB|lin_api_|PMAK-|NRAK-|NRAL-|NRJS-|sq0(?:atp|csp|idp)-|EAAA|SG\."
    r"|amzn\.mws\.|AIza|ya29\.|1//0|GOCSPX-|AGE-SECRET-KEY-|dapi|figd_|glc_|glsa_|sntrys_|sntryu_|sbp_|tskey-|CFPAT-"
    r"|r8_|rubygems_|secret_|pscale_\w{1,8}_|ops_|A3T[A-Z0-9]|doppler_|dp\.(?:pt|st|ct|sa)\.|nfp_|eyJ"
    r"|AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ABIA|ACCA|LTAI|AKID|EAACEdEose0cBA|key-(?=[0-9a-f]{16})|T3BlbkFJ"
    r"|(?:AC|SK)(?=[0-9a-f]{32}))[A-Za-z0-9_\-.=+/~]{6,}+"
)
"""Tokens that begin as their makers say. Only what is longer than its prefix by six characters."""
_CRYPT = re.compile(
    r"\$(?:2[abxy]?|1|5|6|y|7|apr1|argon2(?:id|i|d)|pbkdf2[\w-]{0,20}|scrypt|P|S)\$[^\s\"',;<>]{8,}+"
    r"|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{12,}+"
)
_ANY_SCHEME = re.compile(r"(?::|%3A)(?://|\\/\\/|%2F%2F)")
_URL_END = re.compile(r"[\s\"'`<>]")
_NAMES_BEFORE_AT = frozenset({
    "abfs", "abfss", "wasb", "wasbs", "hdfs", "viewfs", "pekko", "akka", "ssh", "sftp", "git",
})  # fmt: skip
_HOOK = re.compile(
    r"(?i)(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/"
    r"|webhook\.office\.com/\w{0,40}|outlook\.office(?:365)?\.com/webhook\w{0,10}/|api\.telegram\.org/(?:file/)?bot"
    r"|chat\.googleapis\.com/v1/spaces/|hooks\.zapier\.com/hooks/catch/|maker\.ifttt\.com/trigger/"
    r"|events\.pagerduty\.com/integration/"
    r"|logic\.azure\.com[:/]|open\.feishu\.cn/open-apis/bot/|oapi\.dingtalk\.com/robot/"
    r"|qyapi\.weixin\.qq\.com/cgi-bin/webhook/"
    r"|hooks\.[\w-]{1,60}\.[\w-]{1,60}/|/(?:web-?)?hooks?/)[^\s\"'`<>]++"
)
_PAIR = re.compile(
    r"(?<![\w/@.\-])[\w.$#\-]{1,64}+(?P<sep>[:/])(?P<secret>[^\s/@\"'`,;<>(]{1,128}+)@(?!sha\d{3}:)(?=[\w/(\[])"
)
_PGPASS = re.compile(
    r"(?<![\w.:\-])[\w.*\-]{1,100}+:(?:\d{2,5}|\*):[\w.*\-]{1,64}+:[\w.*\-]{1,64}+:(?P<secret>[^\s:]{3,200}+)"
)
_SCHEMED = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?:bearer|basic|negotiate|digest|apikey|ntlm|aws4-hmac-sha256)"
    r"\s{1,4}(?P<secret>[\w.~+/=\-]{8,}+)"
)
_SHORT_FLAG = re.compile(r"(?<![^\s\"'\[,(])-p(?P<secret>[^\s\"',\])]{2,200}+)")
_USER_FLAG = re.compile(
    r"(?<![^\s\"'])(?:-u|--user|--proxy-user|-U)[\s=]{0,3}[\"']{0,5}+[\w.\-@\\]{1,100}+:(?P<secret>[^\s\"']{1,200}+)"
)
_TOOL_FLAG = re.compile(
    r"(?:sshpass[ \t]{1,4}-p|redis-cli[^\n]{0,120}? -a|sqlcmd[^\n]{0,120}? -P|ldap\w{1,10}[^\n]{0,120}? -w"
    r"|mongo\w{0,10}[^\n]{0,120}? -p"
    r"|keytool[^\n]{0,120}? -(?:store|key)pass|htpasswd -[a-zA-Z]{1,6} \S{1,80} \S{1,80}|docker login[^\n]{0,120}? -p"
    r"|(?:mysql|maria)\w{0,12}[^\n]{0,120}? -p(?=\d))"
    r"[ =]?[\"']{0,5}+(?P<secret>[^\s\"']{1,200}+)"
)
_SQL = re.compile(
    r"(?i)\bidentified\s{1,4}by\s{1,4}(?:password\s{1,4}|values\s{1,4})?[\"'`]{0,5}+(?P<secret>[^\s\"'`;]{1,200}+)"
)
_NETRC = re.compile(r"\blogin\s{1,8}\S{1,100}\s{1,8}(?:password|passwd)\s{1,8}(?P<secret>\S{1,200}+)")
_OPENSSL = re.compile(r"(?<![\w])pass:(?P<secret>[^\s\"']{1,200}+)")
_P_FLAGS = (
    "ort", "ar", "y", "ath", "ro", "re", "rint", "lug", "kg", "ackage", "id", "eriod", "oll", "ublic", "lan", "od",
    "ull", "ush", "ost", "age", "ause",
)  # fmt: skip
"""How ordinary options go on that begin with `-p`: `-port`, `-parallelism`, `-py`."""
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/=_\-])[A-Za-z0-9+/_\-]{24,}+={0,3}+")
_JOINS = re.compile(r"[/_\-]")
_LONGER_PART = 6
_SPELLED = re.compile(r"[A-Za-z]?[a-z]{3,}+")
_WORDS_ONLY = 0.75
_ORDERLY = 0.4
"""At least this share of a name's letters and digits stands in runs of small letters; of random text under 0.3."""


def private_keys(text: str) -> Iterator[Span]:
    """Keys in PEM form, also one whose end was cut off."""
    done = 0
    for found in _PEM.finditer(text):
        if found.start() < done:
            continue
        limit = min(len(text), found.start() + _PEM_LONGEST)
        end = text.find("END", found.end(), limit)
        done = limit if end < 0 else min(limit, _dashes_end(text, end))
        yield found.start(), done


def _dashes_end(text: str, at: int) -> int:
    end = text.find("KEY", at, at + 60)
    end = at if end < 0 else end + 3
    while end < len(text) and text[end] == "-":
        end += 1
    return end


def tokens(text: str) -> Iterator[Span]:
    """Tokens of known makers, JWTs, hashes of passwords."""
    for pattern in (_PREFIXED, _CRYPT):
        for found in pattern.finditer(text):
            if pattern is _CRYPT or _tokenlike(found[0]):
                yield found.span()


def _tokenlike(text: str) -> bool:
    """Short prefixes begin ordinary names, too (`secret_name`, `dapilog`): a token is no row of plain words."""
    return any(char.isdigit() or char.isupper() for char in text[3:]) and not is_orderly(text[4:], _WORDS_ONLY)


def hooks(text: str) -> Iterator[Span]:
    """The part of a web hook's address that lets anybody post to it."""
    for found in _HOOK.finditer(text):
        start = found.start() + next((at + 1 for at, char in enumerate(found[0]) if char in "/:"), 0)
        yield start, found.end()


def url_logins(text: str) -> Iterator[Span]:
    """What stands before the host of a URL; a password may hold `/`, `:` and `@`."""
    schemes = list(_ANY_SCHEME.finditer(text))
    for number, scheme in enumerate(schemes):
        at = scheme.end()
        limit = schemes[number + 1].start() if number + 1 < len(schemes) else len(text)
        ended = _URL_END.search(text, at, limit)
        run = text[at : ended.start() if ended else limit]
        login = _login_length(run)
        if login and (":" in run[:login] or "%3A" in run[:login] or not _names_before_at(text, scheme.start())):
            yield at, at + login


def _names_before_at(text: str, colon: int) -> bool:
    """Whether such URLs name a container or a user before `@`, and nothing to keep."""
    start = colon
    while start > 0 and colon - start < 40 and (text[start - 1].isalnum() or text[start - 1] in "+.-"):
        start -= 1
    return text[start:colon].partition(".")[0] in _NAMES_BEFORE_AT


def _login_length(run: str) -> int:
    """The characters of a URL, after `://`, up to the `@` that ends its login; 0: there is none."""
    query = min((at for at in (run.find("?"), run.find("#")) if at >= 0), default=len(run))
    path = run.find("/", 0, query)
    authority = run[: path if path >= 0 else query]
    _, colon, port = authority.partition(":")
    port = port.partition(",")[0]
    if colon and "@" not in authority and not (port.isdigit() and len(port) <= 5):
        query = len(run)
    last = max(run.rfind("@", 0, query), run.rfind("%40", 0, query))
    return max(last, 0)


def logins(text: str) -> Iterator[Span]:
    """`scott/tiger@db`, `user:pw@host`, headers' schemes, and the ways in which clients are given a password."""
    for pattern in (_PAIR, _PGPASS, _USER_FLAG, _TOOL_FLAG, _SQL, _NETRC, _OPENSSL):
        for found in pattern.finditer(text):
            yield found.span("secret")
    for found in _SCHEMED.finditer(text):
        if not found["secret"].isalpha() or not found["secret"].islower():
            yield found.span("secret")
    for found in _SHORT_FLAG.finditer(text):
        if not found["secret"].isdigit() and not found["secret"].startswith(_P_FLAGS):
            yield found.span("secret")


def random_strings(text: str) -> Iterator[Span]:
    """Long strings of capitals, small letters and digits in which no words stand: keys, signatures, encoded secrets."""
    for found in _RANDOM.finditer(text):
        word = found[0]
        if all(any(map(kind, word)) for kind in (str.isdigit, str.isupper, str.islower)) and _by_chance(word):
            yield found.span()


def _by_chance(word: str) -> bool:
    """Not so a path or a name of parts: each longer part of it has to be drawn by chance, with capitals in it."""
    parts = [part for part in _JOINS.split(word) if len(part) >= _LONGER_PART]
    return bool(parts) and all(not part.islower() and not part.isdigit() and not is_orderly(part) for part in parts)


def is_orderly(text: str, share: float = _ORDERLY) -> bool:
    """Whether a text is made of words rather than drawn by chance: much of it stands in runs of small letters."""
    spelled = sum(len(run) for run in _SPELLED.findall(text))
    return spelled >= share * sum(char.isalnum() for char in text)

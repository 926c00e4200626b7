"""Settings without the secrets in them: what leaves this layer may be shown, recorded and put into bug reports."""

import re

MASK = "******"
_SECRET_KEY = re.compile(
    r"passw|secret|token|credential|private|apikey|api-key|api_key|access[-._]?key|account\.key|service-key|basic-auth"
    r"|auth-params|jaas|http-headers|sasl\.|signature",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_ASSIGNMENT = re.compile(
    r"(?i)([\w.-]*(?:passw(?:or)?d|secret|token|api[-_.]?key|access[-_.]?key)[\w.-]*[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)
_CREDENTIALS = re.compile(r"(?i)(\bauthorization[\"']?\s*[=:]\s*[\"']?(?:[a-z]+\s+)?|\bbearer\s+)[\w.~+/=-]{8,}")


def masked_setting(key: str, value: str) -> str:
    """The value, or a mask where key or value look like a secret; also inside JVM options and URLs.

    >>> masked_setting("s3.secret-key", "abc"), masked_setting("env.java.opts.all", "-Dtoken=abc -Xmx1g")
    ('******', '-Dtoken=****** -Xmx1g')
    """
    if _SECRET_KEY.search(key):
        return MASK
    return masked_text(value)


def masked_text(text: str) -> str:
    """Free text, such as an exception's message, with passwords in URLs and assignments masked.

    >>> masked_text("jdbc:postgresql://me:pw@db/x?password=hunter2 failed")
    'jdbc:postgresql://******@db/x?password=****** failed'
    """
    return _CREDENTIALS.sub(rf"\1{MASK}", _ASSIGNMENT.sub(rf"\1{MASK}", _USERINFO.sub(MASK, text)))

"""Which names promise a secret: setting keys, variables, flags, headers, XML and JSON fields."""

import re
from functools import lru_cache

_LONGEST = 256
_ANYWHERE = (
    "passw",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "credential",
    "jaas",
    "signature",
    "webhook",
    "kennwort",
    "senha",
    "contrasen",
    "contraseñ",
    "wachtwoord",
    "пароль",
    "密码",
    "密碼",
    "パスワード",
    "storepass",
    "keypass",
)
"""In a part of a name: nothing else is called so."""
_JOINED = (
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "servicekey",
    "signingkey",
    "encryptionkey",
    "encryptkey",
    "sharedkey",
    "masterkey",
    "storagekey",
    "licensekey",
    "subscriptionkey",
    "connectionstring",
    "authparams",
    "httpheaders",
    "basicauth",
    "sessionid",
    "motdepasse",
)
"""In a name without its separators."""
_WORDS = frozenset({
    "pass", "pwd", "pw", "psw", "psk", "pswd", "auth", "authorization", "cookie", "cookies", "dsn", "sig", "sas",
    "jwt", "bearer", "cred", "creds", "otp", "totp", "mfa", "pat", "cvv", "iban", "clave", "parola", "heslo",
    "haslo", "salasana", "pgpass", "requirepass", "masterauth", "userpass", "netrc", "htpasswd",
})  # fmt: skip
"""Whole words of a name."""
_KEY_OF = frozenset({
    "api", "access", "private", "secret", "account", "encryption", "encrypt", "enc", "master", "service",
    "signing", "sign", "shared", "storage", "license", "deploy", "ssh", "ssl", "tls", "aes", "rsa", "hmac",
    "crypto", "cipher", "client", "app", "admin", "auth", "consumer", "subscription", "integration", "ingest",
    "ingestion", "root", "session", "user", "customer", "sas", "hook", "project", "stripe", "datadog", "newrelic",
    "sendgrid", "twilio", "openai", "host", "function", "device", "write", "read", "connection", "kms", "dek",
    "kek", "pgp", "gpg", "jwt", "jwk", "oauth", "sdk", "bot", "aws", "azure", "gcp", "s3", "minio",
})  # fmt: skip
"""What makes a secret of a last word `key`."""
_PLAIN_KEY_OF = frozenset({
    "partition", "primary", "dedup", "dedupe", "routing", "message", "group", "sort", "join", "foreign", "unique",
    "by", "per", "public", "record", "object", "row", "natural", "business", "lookup", "cache", "index", "hash",
    "bucket", "distribution", "cluster", "label", "annotation", "config", "option", "state", "upsert",
    "rowtime", "order", "event", "surrogate", "composite", "map", "column", "field", "property",
})  # fmt: skip
"""A last word `key` after one of these names a column or an option."""
_NAMED_PLAIN = frozenset({
    "security.delegation.tokens.enabled", "security.delegation.tokens.renewal.retry.backoff",
    "security.delegation.tokens.renewal.time-ratio", "secretkeyref", "secretname", "tokentype",
})  # fmt: skip
_SPLIT = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\x00-\x7f]+")


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name in free text is taken for a secret. Time is linear in the name's length.

    >>> [is_secret_name(one) for one in ("DB_PASS", "s3.secret-key", "dbPwd", "passed", "compass", "key", "api.key")]
    [True, True, True, False, False, False, True]
    """
    return _is_secret(name if len(name) <= _LONGEST else name[-_LONGEST:], False)


def is_secret_key(key: str) -> bool:
    """The same of a setting's key, where a last word `key` (`encryption.key`, `env.SOME_KEY`) counts as well.

    >>> [is_secret_key(one) for one in ("encryption.key", "env.MY_KEY", "dsn", "partition.key", "state.backend")]
    [True, True, True, False, False]
    """
    return _is_secret(key if len(key) <= _LONGEST else key[-_LONGEST:], True)


@lru_cache(maxsize=16384)
def _is_secret(name: str, any_key: bool) -> bool:
    lower = name.lower()
    if lower in _NAMED_PLAIN:
        return False
    parts = _SPLIT.findall(lower)
    joined = "".join(parts)
    if any(word in part for word in _ANYWHERE for part in parts) or any(word in joined for word in _JOINED):
        return True
    words = _words(name)
    return any(word in _WORDS for word in words) or _names_a_key(name, words, any_key)


def _words(name: str) -> list[str]:
    """In lower case, split at separators; a part in camelCase also at its capitals."""
    words: list[str] = []
    for part in _SPLIT.findall(name):
        words.append(part.lower())
        if not (part.islower() or part.isupper()):
            words.extend(piece.lower() for piece in _CAMEL.findall(part))
    return words


def _names_a_key(name: str, words: list[str], any_key: bool) -> bool:
    if not words or words[-1] not in ("key", "keys", "skey", "keydata", "keyvalue"):
        return False
    before = words[-2] if len(words) > 1 else ""
    if before in _PLAIN_KEY_OF:
        return False
    return before in _KEY_OF or (bool(before) and (any_key or name.isupper()))

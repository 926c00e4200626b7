"""Label values from the outside made safe for both exposition formats."""

import hashlib
import re

from flinkops.outside.fingerprint import fingerprint
from flinkops.outside.masking import masked_text

MAX_LABEL_CHARACTERS = 200
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def label(text: str) -> str:
    r"""`text` without secrets, without what ends a line or a parser (control characters, lone surrogates), and cut.

    What is masked or cut off is replaced by a digest of the whole, so that two names stay two.

    >>> label("a\nb")
    'a\ufffdb'
    """
    masked = masked_text(text)
    safe = _UNSAFE.sub("\ufffd", masked)
    if masked != text:
        safe = f"{safe}~{fingerprint(text)}"
    if len(safe) <= MAX_LABEL_CHARACTERS:
        return safe
    digest = hashlib.sha256(safe.encode()).hexdigest()[:8]
    return f"{safe[: MAX_LABEL_CHARACTERS - 9]}~{digest}"

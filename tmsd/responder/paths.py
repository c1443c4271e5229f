"""OCSP requests in the path of a URL (RFC 6960, A.1; RFC 5019, 5)."""

import base64
import binascii
from urllib.parse import unquote_to_bytes


def request_in(path: str) -> bytes | None:
    """Return the request that a path holds, which may be any bytes; None where it holds none.

    Base64 has three characters that paths do not like. Clients percent-encode them or do not,
    and leave the padding out or do not; a form decoder on the way makes a space of each plus
    sign. A request never begins with a slash, so that leading ones are of a URL that ends in one.
    """
    text = unquote_to_bytes(path).replace(b" ", b"+").lstrip(b"/").rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None

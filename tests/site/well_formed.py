"""One well-formed request for each call of the API: what only its sense could be refused for."""

import json

from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.certificates import (
    CERTIFICATE,
    CERTIFICATES,
    CHAIN,
    CRL,
    HOLD,
    RELEASE,
    REVOKE,
    at,
    headers,
    wanted,
)
from tests.site.channels import (
    CHALLENGES,
    CONFIRM,
    ENCRYPT,
    KEY_SETS,
    PUT_KEY,
    RANDOM,
    SESSIONS,
    UNWRAP,
    VERIFY,
    WRAP,
    JsonObject,
)
from tests.site.contract import Answer

_CARD: JsonObject = {
    # KDD, key information of SCP03 with i=70, card challenge, cryptogram, sequence counter
    "initialize_update": "00" * 10 + "010370" + "00" * 8 + "00" * 8 + "000000",
    "challenge": "AAAA",
    "key_set": AES128.key_set,
}
_SESSION = "A" * 64

BODIES: dict[tuple[str, str], JsonObject | None] = {
    ("post", CHALLENGES): {"length": 8},
    ("post", SESSIONS): {"card": _CARD, "security_level": "03", "delivery": "sealed"},
    ("post", WRAP): {"session": _SESSION, "apdus": ["80ca9f7f00", "80e2900000"]},
    ("post", UNWRAP): {"session": _SESSION, "responses": ["9000", "6982"]},
    ("post", PUT_KEY): {
        "session": _SESSION,
        "new_key_set": AES128.key_set,
        "new_key_version": 2,
        "mode": "replace",
    },
    ("post", CONFIRM): {"session": _SESSION, "response": "9000"},
    ("post", ENCRYPT): {"session": _SESSION, "purpose": "pin", "data": "00" * 16},
    ("post", VERIFY): {"card": _CARD},
    ("post", RANDOM): {"length": 16},
    ("get", KEY_SETS): None,
    ("post", CERTIFICATES): wanted(),
    ("get", CERTIFICATE): None,
    ("post", REVOKE): {"reason": "superseded"},
    ("post", HOLD): None,
    ("post", RELEASE): None,
    ("get", CHAIN): None,
    ("get", CRL): None,
}
"""By method and path, in lower case as OpenAPI has them; None where there is no body."""


def ask(caller: Caller, method: str, path: str) -> Answer:
    """Make the well-formed request of a call."""
    body = BODIES[method, path]
    content = None if body is None else json.dumps(body).encode()
    return caller.send(method.upper(), at(path), content, headers() if content else None)

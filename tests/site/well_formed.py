"""One well-formed request for each call of the API: what only its sense could be refused for."""

from tests.site.batches import AES128
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
}
"""By method and path, in lower case as OpenAPI has them; None where there is no body."""

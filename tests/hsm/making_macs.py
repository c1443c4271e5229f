"""In a process of its own, whose SoftHSM has another configuration: what becomes of CMACs."""

import json
import sys
from pathlib import Path

from pkcs11 import Attribute

from hsm.attributes import AES_SESSION_MAC_KEY
from hsm.capabilities import signs_aes_cmac
from hsm.cmac import cmac, service_cmac
from hsm.errors import MechanismUnavailable
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.hsm.session_keys import session_key
from tests.softhsm.tokens import USER_PIN
from tmsd.ceremony.steps.generate_service_keys import generate_service_key
from tmsd.config.reserved_keys import CHANNEL_KEY

_SIGNS_AND_ENCRYPTS = {**AES_SESSION_MAC_KEY, Attribute.ENCRYPT: True}


def _made(token: Token) -> dict[str, object]:
    service_key = token.find_key(generate_service_key(token, CHANNEL_KEY).reference)
    with token.operation() as operation:
        both = session_key(token, operation, bytes(16), _SIGNS_AND_ENCRYPTS)
        only_signs = session_key(token, operation, bytes(16), AES_SESSION_MAC_KEY)
        try:
            refused = cmac(only_signs, b"message").hex()
        except MechanismUnavailable as error:
            refused = type(error).__name__
        return {
            "signs": signs_aes_cmac(token),
            "service key": len(service_cmac(service_key, b"message")) == 16,
            "may sign and encrypt": cmac(both, b"message").hex(),
            "may only sign": refused,
        }


if __name__ == "__main__":
    address = TokenAddress(Path(sys.argv[1]), sys.argv[2])
    with open_token(address, Secret(USER_PIN), writable=True) as opened:
        json.dump(_made(opened), sys.stdout)

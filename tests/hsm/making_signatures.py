"""In a process of its own, whose SoftHSM has another configuration: what signs."""

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.signing import signing_key
from hsm.token import Token, open_token
from tests.hsm.authority import Authority, Scheme
from tests.hsm.other_process import met
from tests.softhsm.tokens import USER_PIN


def _made(token: Token) -> dict[str, str]:
    digest = SHA256()
    probabilistic = PSS(MGF1(digest), PSS.DIGEST_LENGTH)
    keys = {
        algorithm: signing_key(generate_key_pair(token, KeyReference(str(algorithm), 1), algorithm))
        for algorithm in (
            KeyPairAlgorithm.RSA2048,
            KeyPairAlgorithm.P256,
            KeyPairAlgorithm.ED25519,
        )
    }
    schemes = {
        "PKCS#1 v1.5": (KeyPairAlgorithm.RSA2048, Scheme(digest, PKCS1v15())),
        "PSS": (KeyPairAlgorithm.RSA2048, Scheme(digest, probabilistic)),
        "ECDSA": (KeyPairAlgorithm.P256, Scheme(digest)),
        "Ed25519": (KeyPairAlgorithm.ED25519, Scheme(None)),
    }
    return {
        name: met(Authority(keys[algorithm], scheme).request)
        for name, (algorithm, scheme) in schemes.items()
    }


if __name__ == "__main__":
    address = TokenAddress(Path(sys.argv[1]), sys.argv[2])
    with open_token(address, Secret(USER_PIN), writable=True) as opened:
        json.dump(_made(opened), sys.stdout)

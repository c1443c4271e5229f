"""A program for what would spoil the module for every later test of a process.

`python -m tests.hsm.other_process FOLDER` makes a token in FOLDER, removes it from under a
login, and prints what each further use of it met, as JSON. With `--broken-configuration`
it only loads the module, whose configuration is missing.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from hsm.attributes import AES_CARD_KEY, MASTER_KEY
from hsm.ciphers import encrypt_ecb
from hsm.errors import HsmError
from hsm.importing import generate_key
from hsm.kdf import derive_ecb
from hsm.key_pairs import generate_key_pair
from hsm.keys import AES_128, KeyReference
from hsm.module import load_module
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.signing import signing_key
from hsm.token import open_token
from tests.hsm.authority import Authority, Scheme
from tests.softhsm.tokens import USER_PIN, SoftHsm

REFERENCE = KeyReference("held", 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--broken-configuration", action="store_true")
    arguments = parser.parse_args()
    softhsm = SoftHsm(arguments.folder)
    if arguments.broken_configuration:
        environment = {"SOFTHSM2_CONF": str(arguments.folder / "missing.conf")}
        found = {"load": met(lambda: load_module(softhsm.module, environment))}
    else:
        found = _lose_token(softhsm)
    json.dump(found, sys.stdout)


def _lose_token(softhsm: SoftHsm) -> dict[str, str]:
    address = softhsm.make_token()
    with open_token(address, Secret(USER_PIN), writable=True) as token:
        held = generate_key(token, REFERENCE, AES_128, MASTER_KEY)
        pair = generate_key_pair(token, KeyReference("signing", 1), KeyPairAlgorithm.P256)
        request = Authority(signing_key(pair), Scheme(SHA256())).request
        with token.operation() as operation:
            found = {
                "before": met(lambda: encrypt_ecb(held, bytes(16))),
                "signed before": met(request),
            }
            for folder in softhsm.token_directory.iterdir():
                if folder.name.replace("-", "").endswith(str(address.serial)):
                    shutil.rmtree(folder)
            return found | {
                "encrypt": met(lambda: encrypt_ecb(held, bytes(16))),
                "derive": met(
                    lambda: derive_ecb(operation, held, bytes(16), AES_128, AES_CARD_KEY)
                ),
                "sign": met(request),
                "find": met(lambda: token.find_key(REFERENCE)),
                "random": met(lambda: token.random(8)),
                "login": met(lambda: open_token(address, Secret(USER_PIN)).__enter__()),
            }


def met(use: Callable[[], object]) -> str:
    """Return the error of the HSM that something met, or that it met none."""
    try:
        use()
    except HsmError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


if __name__ == "__main__":
    main()

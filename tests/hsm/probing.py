"""A program that prints what a token does, as JSON: `python -m tests.hsm.probing MODULE LABEL`.

SoftHSM reads which mechanisms it has when it is loaded, so another set takes another process.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from hsm.capabilities import probe
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import open_token
from tests.softhsm.tokens import USER_PIN

if __name__ == "__main__":
    module, label = sys.argv[1:]
    with open_token(TokenAddress(Path(module), label), Secret(USER_PIN)) as token:
        json.dump(asdict(probe(token)), sys.stdout)

"""NSS's softokn, a token that does more than SoftHSM: behind a module that is built from softokn.c.

It has the SP 800-108 KDF, wraps under triple DES, and knows RFC 5649.
"""

import subprocess
from pathlib import Path

from hsm.module import TokenAddress, load_module
from tests.softhsm.tokens import USER_PIN

LABEL = "softokn"

_SOURCE = Path(__file__).with_name("softokn.c")
_MODULES = ("*/libsoftokn3.so", "*/nss/libsoftokn3.so")
_PARAMETERS = (
    f"configdir='sql:{{directory}}' certPrefix='' keyPrefix='' flags=noModDB"
    f" dbTokenDescription='{LABEL}'"
)


def make_token(directory: Path) -> TokenAddress:
    """Make softokn's one token in an empty folder, with `USER_PIN`; once in a process.

    Raises:
        FileNotFoundError: softokn is not installed.
    """
    built = directory / "softokn.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", built, _SOURCE, "-ldl"], check=True)
    environment = {
        "TMSD_TEST_MODULE": str(_module()),
        "TMSD_TEST_PARAMETERS": _PARAMETERS.format(directory=directory),
    }
    token = load_module(built, environment).get_token(token_label=LABEL)
    # A new database has an empty SO PIN, which only serves to set the first user PIN.
    with token.open(rw=True, so_pin="") as session:
        session.init_pin(USER_PIN.decode())
    return TokenAddress(built, LABEL, environment=environment)


def _module() -> Path:
    for pattern in _MODULES:
        for found in Path("/usr/lib").glob(pattern):
            return found
    raise FileNotFoundError("softokn is not installed; on Debian it is the package libnss3")

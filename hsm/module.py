"""Loading a PKCS#11 module and finding the one token in it that is meant."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pkcs11
from pkcs11 import TokenFlag
from pkcs11._pkcs11 import lib as Module  # noqa: N812  the class behind pkcs11.lib()

from hsm.errors import ModuleStuck, ModuleUnavailable, TokenNotFound, hsm_errors
from hsm.hang import limited, process_ending_after

# PKCS#11 2.40, section 3.2. NSS's softokn has the second alone.
_INITIALISED = TokenFlag.TOKEN_INITIALIZED | TokenFlag.USER_PIN_INITIALIZED

# How long C_Finalize may take. It has nothing to wait for but the connection to the HSM.
_FINALIZE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Where a token is.

    Attributes:
        module: the PKCS#11 module, a shared library.
        label: the token's label, up to 32 bytes.
        serial: its serial number, up to 16 characters; None to go by the label alone.
        environment: variables that the module reads when it is initialised.
    """

    module: Path
    label: str
    serial: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        serial = f", serial {self.serial}" if self.serial else ""
        return f"token {self.label!r}{serial} of {self.module}"


@limited
def load_module(file: Path, environment: Mapping[str, str]) -> Module:
    """Load and initialise a module, once per process.

    Raises:
        ModuleUnavailable: the file is missing, is no PKCS#11 module, or refuses to start.
    """
    os.environ.update(environment)
    try:
        return pkcs11.lib(str(file))
    except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise ModuleUnavailable(f"PKCS#11 module {file}: {reason}") from error


def restart_module(file: Path, environment: Mapping[str, str]) -> Module:
    """Finalize a module and initialise it again; after a loss, nothing less helps.

    Every session, key and object from before is void, and may not even be closed: handles
    are numbers, and are given out again. If C_Finalize does not return, this process ends.

    Raises:
        ModuleUnavailable: it does not start again. `load_module` or this may be tried later.
        ModuleStuck: nor will it ever in this process.
    """
    module = load_module(file, environment)
    failure: pkcs11.PKCS11Error | None = None
    try:
        with process_ending_after(_FINALIZE_SECONDS):
            module.finalize()
    except pkcs11.PKCS11Error as error:
        failure = error  # one that lost its token may be initialised anew all the same
    try:
        return load_module(file, environment)
    except ModuleUnavailable as error:
        if failure is None:
            raise
        finalize = f"after {type(failure).__name__} in C_Finalize"
        raise ModuleStuck(f"{error} {finalize}; it takes another process") from error


@hsm_errors
def find_token(module: Module, address: TokenAddress) -> pkcs11.Token:
    """Return the one initialised token with the address's label and serial number.

    Raises:
        TokenNotFound: none fits, or several do; the message lists what is there.
    """
    found = []
    present = []
    for slot in module.get_slots(token_present=True):
        token = slot.get_token()
        if not token.flags & _INITIALISED:
            continue
        present.append(f"{token.label!r} (serial {_serial(token)})")
        if token.label == address.label and address.serial in (None, _serial(token)):
            found.append(token)
    if len(found) != 1:
        there = ", ".join(present) or "no initialised token"
        count = "several tokens fit" if found else "no such token"
        raise TokenNotFound(f"{address}: {count}; the module shows {there}")
    return found[0]


def _serial(token: pkcs11.Token) -> str:
    return bytes(token.serial).decode("ascii", "replace").strip("\0 ")

"""[hsm] of tmsd.toml: the PKCS#11 module, its token, and where the worker finds the PIN.

The PIN itself is in no configuration file: the worker reads it from a file of its own or
from a credential that systemd passes to it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from tmsd.config.table import Table
from tmsd.config.toml import Complaint
from tmsd.config.values import Place, credential, text

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_SECRET_VARIABLE = re.compile(r"PIN|PASSWORD|SECRET")


def _check_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("is not the name of a variable: A-Z, 0-9 and '_', the first a letter")
    if _SECRET_VARIABLE.search(name):
        raise ValueError(
            "has the name of a secret, and other processes can read an environment: "
            "use pin_file or pin_credential"
        )
    return name


def _check_variable_value(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a zero byte, which ends a variable")
    return value


_Environment = dict[
    Annotated[str, AfterValidator(_check_variable)],
    Annotated[str, AfterValidator(_check_variable_value)],
]


class HsmConfig(Table):
    """One token of one PKCS#11 module. Lengths are those of CK_TOKEN_INFO (PKCS#11 2.40, 3.2)."""

    module: Place = Field(description="the HSM vendor's PKCS#11 library")
    token_label: Annotated[str, text(32)] = Field(description="the label of the token")
    token_serial: Annotated[str, text(16)] | None = None
    pin_file: Place | None = None
    pin_credential: Annotated[str, credential("hsm-pin")] | None = None
    environment: _Environment = Field(default_factory=dict)
    latch_file: Place = Field(default=Path("hsm-pin.latch"), validate_default=True)
    inventory: Place | None = None

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint unless exactly one place is named for the PIN."""
        if self.pin_file is None and self.pin_credential is None:
            yield Complaint((), "needs pin_file or pin_credential, to say where the PIN is")
        if self.pin_file is not None and self.pin_credential is not None:
            yield Complaint(("pin_credential",), "stands beside pin_file: keep one of the two")

"""Step: initialise a blank token, with PINs that are random and that nobody has seen."""

import secrets
from dataclasses import dataclass

from hsm.initialisation import initialise_token as initialise
from hsm.module import TokenAddress
from hsm.secret import Secret

_PIN_BYTES = 16  # 128 bits, as 32 hex digits: every token's PIN pad and API take these


@dataclass(frozen=True, slots=True)
class InitialisedToken:
    """A token that is ready for keys.

    Attributes:
        label: as it was asked for.
        serial: as the token has it, up to 16 characters.
    """

    label: str
    serial: str


def random_pin() -> Secret:
    """Return a PIN of 32 hex digits, from the operating system's random source."""
    return Secret(secrets.token_hex(_PIN_BYTES).encode())


def initialise_token(address: TokenAddress, so_pin: Secret, user_pin: Secret) -> InitialisedToken:
    """Initialise the module's first blank token; the PINs stay for the caller to wipe.

    Raises:
        HsmError: the label is too long, there is no blank token, or the module refuses.
    """
    return InitialisedToken(address.label, initialise(address, so_pin, user_pin))

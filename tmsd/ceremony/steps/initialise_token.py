"""Step: initialise a blank token, with PINs that are random and that nobody has seen."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hsm.credentials import read_pin
from hsm.errors import TokenNotFound
from hsm.initialisation import initialise_token as initialise
from hsm.module import TokenAddress
from hsm.pin_latch import PinLatch
from hsm.secret import Secret
from tmsd.ceremony.configured_token import token_address
from tmsd.ceremony.new_file import write_new
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step

_PIN_BYTES = 16  # 128 bits, as 32 hex digits: every token's PIN pad and API take these
_PIN_MODE = 0o400


class InitialiseToken(Step):
    """`initialise-token`: the binding says which one, and where its PINs go."""

    do: Literal["initialise-token"]

    def said(self) -> Iterator[str]:
        """Yield what is initialised."""
        yield "Initialise the blank token of the binding, with random PINs that nobody sees."
        yield "They are kept in the files that the binding names."

    def perform(self, room: Room) -> Facts:
        """Write the PINs where they belong, and initialise the token with them."""
        hsm, so_pin_file = room.binding.hsm, room.binding.so_pin_file
        if hsm.pin_file is None or so_pin_file is None:
            raise Refused("to initialise a token, the binding needs hsm.pin_file and so_pin_file")
        # In files first: a token whose PINs are lost could only be initialised again.
        with (so_pin := _pin(so_pin_file)), (user_pin := _pin(hsm.pin_file)):
            made = initialise_token(token_address(hsm), so_pin, user_pin)
        PinLatch(hsm.latch_file).note_given(hsm.pin_file)
        return _facts(made)

    def found(self, room: Room) -> Facts | None:
        """Return the token, if its PIN opens it."""
        hsm = room.binding.hsm
        try:
            with room.token() as token:
                serial = token.serial
        except TokenNotFound:
            return None
        return _facts(InitialisedToken(hsm.token_label, serial))


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


def _pin(file: Path) -> Secret:
    """Return the PIN of a file, which is made with a random one if it is not there.

    Raises:
        HsmError: it is there and holds none.
        Refused, OSError: it cannot be made.
    """
    if not file.exists():
        with random_pin() as made:
            write_new(file, made, _PIN_MODE)
    return read_pin(file)


def _facts(made: InitialisedToken) -> Facts:
    return {"token": made.label, "serial": made.serial}

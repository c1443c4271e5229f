"""What signs for an officer of the binding: a key in a file, or a card."""

from collections.abc import Callable

from hsm.secret import Secret
from tmsd.ceremony.binding import OfficerOfBinding
from tmsd.ceremony.refusal import Refused
from tmsd.quorum.officer_key import Signer, key_of_file

AskSecret = Callable[[str], Secret]
"""Asks an officer for the PIN or the password of what is named."""


def signer_of(officer: OfficerOfBinding, ask: AskSecret, *, plain_keys: bool = False) -> Signer:
    """Return what signs for an officer.

    Args:
        officer: of the binding.
        ask: for the password or the PIN; what it returns is wiped.
        plain_keys: whether a file need not be encrypted.

    Raises:
        Refused: there is no such file.
        ApprovalRefused: the password is wrong, or the key is of an unfit kind.
        HsmError: the card refuses.
    """
    if officer.private_key is None:
        raise Refused(f"{officer.name} has a card, and cards are not read yet")
    try:
        content = officer.private_key.read_bytes()
    except OSError as error:
        raise Refused(f"{officer.private_key}: {error.strerror}") from None
    if plain_keys:
        return key_of_file(content, None)
    with ask(f"password of {officer.private_key}") as password:
        return key_of_file(content, bytes(password))

"""What signs for an officer: a key in a file, or a card."""

from collections.abc import Callable
from pathlib import Path

from hsm.secret import Secret
from tmsd.ceremony.binding import CardOfOfficer, OfficerOfBinding
from tmsd.ceremony.officer_card import OfficerCard, cards_in_readers
from tmsd.ceremony.refusal import Refused
from tmsd.quorum.officer_key import Signer, key_of_file
from tmsd.quorum.quorum import Quorum

AskSecret = Callable[[str], Secret]
"""Asks an officer for the PIN or the password of what is named."""


def signer_of(officer: OfficerOfBinding, ask: AskSecret) -> Signer:
    """Return what signs for an officer of the binding.

    Args:
        officer: who.
        ask: for the password, at once, or for the PIN, when it is to sign; what it returns is
            wiped.

    Raises:
        Refused: there is no such file.
        ApprovalRefused: the password is wrong, or the key is of an unfit kind.
    """
    if officer.card is not None:
        return OfficerCard(officer.card, bytes.fromhex(officer.officer.public_key), ask)
    if officer.private_key is None:
        raise TypeError("a binding has a private key or a card for each officer")
    return signer_of_file(officer.private_key, ask)


def signer_of_file(file: Path, ask: AskSecret) -> Signer:
    """Return a signer over a private key in PEM, which is encrypted by a password.

    Raises:
        Refused: there is no such file.
        ApprovalRefused: the password is wrong, or the key is of an unfit kind.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}") from None
    with ask(f"password of {file.name}") as password:
        return key_of_file(content, bytes(password))


def signer_of_card(place: CardOfOfficer, quorum: Quorum, ask: AskSecret) -> Signer:
    """Return a signer over the one key in the readers that is pinned to an officer.

    Raises:
        Refused: there is none, or several are.
        HsmError: as cards_in_readers does.
    """
    cards = cards_in_readers(place)
    pinned = {
        key.public_key
        for card in cards
        for key in card.keys
        if quorum.officer_with(key.public_key) is not None
    }
    if len(pinned) != 1:
        there = ", ".join(f"{card.label!r} (serial {card.serial})" for card in cards)
        count = "keys of several officers are" if pinned else "no officer's key is"
        raise Refused(f"{count} on the cards in the readers: {there}")
    return OfficerCard(place, pinned.pop(), ask)

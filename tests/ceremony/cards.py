"""Officers' cards: their keys of tests/quorum/officers.py as PIV's key for digital signatures."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.piv_card.card import PivCard
from tests.piv_card.keys import KeyReference
from tests.piv_card.opensc import opensc_module
from tests.piv_card.personalisation import personalise
from tests.piv_card.pin import Pin
from tests.quorum.officers import private_key
from tmsd.ceremony.binding import CardOfOfficer

PIN = "271828"


@cache
def _authentication_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def card_of(name: str, tries: int = 3) -> PivCard:
    """Return the card of an officer, whose label is their name and whose PIN is `PIN`."""
    key = private_key(name)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raise TypeError("no card of PIV has keys of Ed25519")
    keys = {KeyReference.AUTHENTICATION: _authentication_key(), KeyReference.SIGNATURE: key}
    guid = name.encode().rjust(16, b"-")
    return PivCard(personalise(f"{name.capitalize()} Example", guid, Pin(PIN, tries), keys))


def place(label: str | None = None, serial: str | None = None) -> CardOfOfficer:
    """Return where a card is: in a reader that OpenSC reaches."""
    return CardOfOfficer(module=opensc_module(), token_label=label, token_serial=serial)

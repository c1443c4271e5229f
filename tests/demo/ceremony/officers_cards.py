"""Two officers' cards, in readers of a real pcscd: PIV cards, as OpenSC reads them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric import ec

from tests.demo.cards import in_readers
from tests.demo.ceremony.people import OFFICERS, Officer
from tests.piv_card.card import PivCard
from tests.piv_card.keys import KeyReference
from tests.piv_card.personalisation import personalise
from tests.piv_card.pin import Pin

SIGNING_KEY = "02"
"""How OpenSC names the key for digital signatures (9C)."""

_GUID_BYTES = 16


@contextmanager
def officers_cards() -> Iterator[None]:
    """Put the cards of the officers who have one into readers, until the end.

    Raises:
        PcscdError: a Debian package is missing, or the daemon does not come up.
    """
    with in_readers(*(_card_of(officer) for officer in OFFICERS if officer.has_card)):
        yield


def _card_of(officer: Officer) -> PivCard:
    keys = {
        reference: ec.generate_private_key(ec.SECP256R1())
        for reference in (KeyReference.AUTHENTICATION, KeyReference.SIGNATURE)
    }
    guid = secrets.token_bytes(_GUID_BYTES)
    return PivCard(personalise(officer.person, guid, Pin(officer.secret), keys))

"""Cards whose keys are to change, and the PUT KEY that brings new ones, for the tests."""

from collections.abc import Callable, Iterable, Mapping

from tests.pcsc.apdu import Command
from tests.virtual_token.card import PUT_KEY, Card
from tests.virtual_token.keyring import AES, CardKey, KeyGroup
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.terminal import Session, open_session

Encrypt = Callable[[bytes], bytes]

KDD = bytes.fromhex("A00102030405060708FF")
NEW = tuple(bytes(range(first, first + 32)) for first in (0x10, 0x50, 0x90))


def profile(scp: int, i: int, length: int = 16, upgrade_i: int | None = None) -> CardProfile:
    """Return a card with three different keys of `length` bytes under version 1."""
    enc, mac, dek = (bytes([n]) * length for n in (0x1F, 0x2C, 0x3D))
    return CardProfile(
        scp=scp, i=i, key_version=1, enc=enc, mac=mac, dek=dek, kdd=KDD, upgrade_i=upgrade_i
    )


PROFILES = [
    profile(1, 0x05),
    profile(1, 0x15),
    profile(2, 0x05),
    profile(2, 0x14),
    profile(2, 0x15),
    profile(2, 0x35),
    profile(2, 0x55),
    profile(3, 0x00),
    profile(3, 0x70),
    profile(3, 0x60, 24),
    profile(3, 0x71, 32),
]


def new_keys(length: int, key_type: int) -> dict[int, CardKey]:
    """Return three keys that no card of `profile` has."""
    return {n: CardKey(key_type, value[:length]) for n, value in enumerate(NEW, start=1)}


def keys_for(card: Card) -> dict[int, CardKey]:
    """Return three keys of the kind that the card has."""
    group = card.keyring.groups[0]
    return new_keys(group.key_length, group.key_type)


def put(
    card: Card,
    p1p2: str,
    version: int,
    keys: Mapping[int, CardKey],
    opened_with: KeyGroup | None = None,
) -> str:
    """Bring the keys over a channel of their own; return the status word in hex."""
    session = open_session(card.transmit, opened_with or card.keyring.groups[0], 0x01)
    return session.send(put_key(session, p1p2, version, keys))[-2:].hex()


def put_key(
    session: Session, p1p2: str, version: int, keys: Mapping[int, CardKey], *, bare: bool = False
) -> Command:
    """Return the PUT KEY that brings these keys; for `bare` see `encode_keys`."""
    p1, p2 = bytes.fromhex(p1p2)
    terminal = session.terminal
    data = encode_keys(version, keys.values(), terminal.encrypt, terminal.block, bare=bare)
    return Command(0x80, PUT_KEY, p1, p2, data, 256)


def encode_keys(
    version: int, keys: Iterable[CardKey], encrypt: Encrypt, block: int, *, bare: bool = False
) -> bytes:
    """Return the data field of PUT KEY; `bare` leaves out the lengths of AES keys.

    `encrypt` is that of the data encryption key, and `block` its cipher's block length.
    """
    fields = bytes([version])
    for key in keys:
        component = encrypt(key.value + b"\xa5" * (-len(key.value) % block))
        if key.key_type == AES and not bare:
            component = bytes([len(key.value)]) + component
        fields += bytes([key.key_type, len(component)]) + component
        fields += bytes([len(key.check_value)]) + key.check_value
    return fields

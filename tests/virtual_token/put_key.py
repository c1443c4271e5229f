"""PUT KEY: new keys come to the card under its data encryption key, and all take effect or none.

CS231 11.8, and AmdD 7.2 for AES keys under an AES key. `read` decrypts and checks what the
host sent; `put` says which keys the card has afterwards. Neither writes anything.

The initial keys, version FF, cannot be named in P1: they go with the first complete set that
is added.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.pcsc.apdu import Command, Refusal, StatusWord
from tests.virtual_token.dek import DataEncryptionKey
from tests.virtual_token.keyring import AES, DES, INITIAL_KEYS, CardKey, KeyGroup, Keyring
from tests.virtual_token.keys import DEK, ENC, MAC
from tests.virtual_token.protocols import is_complete

DES_HISTORICAL = 0x81  # what CS211 knows as DES in ECB mode, and CS231 has for history's sake
KEY_LENGTHS = {DES: frozenset({16}), AES: frozenset({16, 24, 32})}
CHECK_VALUE_LENGTH = 3
SCP03 = 0x03

# P2, CS231 table 11-66: one key by its identifier, or three that begin with the first
IDENTIFIERS = {0x80 | ENC: (ENC, MAC, DEK), ENC: (ENC,), MAC: (MAC,), DEK: (DEK,)}


@dataclass(frozen=True, slots=True)
class NewKeys:
    """What a PUT KEY brings: keys by identifier, and the version they are to have."""

    version: int
    keys: Mapping[int, CardKey]

    @property
    def key(self) -> CardKey:
        """Any of the keys, which are all of one type and length."""
        return next(iter(self.keys.values()))

    @property
    def confirmation(self) -> bytes:
        """The data field of the response: the version, then each check value (11.8.3.1)."""
        check_values = (key.check_value for key in self.keys.values())
        return bytes([self.version]) + b"".join(check_values)


def read(command: Command, dek: DataEncryptionKey) -> NewKeys:
    """Decrypt the keys of a PUT KEY and check their check values.

    Raises:
        Refusal: 6A86 for P1 or P2; 6A80 for a form that tables 11-67 and 11-68 do not know,
            for keys of more than one kind, and for a check value that is not the key's. For
            the last table 11-78 has 6982 too, which this card keeps for a missing session.
    """
    identifiers = IDENTIFIERS.get(command.p2)
    if identifiers is None or command.p1 & 0x80:
        raise Refusal(StatusWord.INCORRECT_P1_P2)
    version, fields = command.data[:1], command.data[1:]
    if not version or not 0x01 <= version[0] <= 0x7F:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    keys = {}
    for identifier in identifiers:
        keys[identifier], fields = _take_key(fields, dek)
    if fields or len({(key.key_type, len(key.value)) for key in keys.values()}) != 1:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    return NewKeys(version[0], keys)


def put(
    ring: Keyring, replaced: int, new: NewKeys, *, session: KeyGroup, upgrade_i: int | None
) -> Keyring:
    """Return the keys on the card after a PUT KEY.

    Args:
        ring: the keys before it.
        replaced: P1, the version whose keys are replaced; 00 where keys are added.
        new: what came.
        session: the keys that the session was opened with.
        upgrade_i: see `CardProfile.upgrade_i`.

    Raises:
        Refusal: 6A88 where a key to be replaced is not there; 6A80 where a key to be added is
            there already, or for an algorithm or a length that the place cannot take.
    """
    old = ring.group(replaced) if replaced else None
    if replaced and (old is None or not new.keys.keys() <= old.keys.keys()):
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    place = ring.group(new.version)
    kept = {k: key for k, key in _keys_of(old).items() if k not in new.keys}
    beside = kept if place is old else _keys_of(place)
    scp, i = _protocol(old or place, new.key, session, upgrade_i)
    fits = not beside or place is None or (place.scp, place.i) == (scp, i)
    if beside.keys() & new.keys.keys() or not fits:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    try:
        made = KeyGroup(new.version, scp, i, dict(sorted({**beside, **new.keys}.items())))
    except ValueError as error:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA) from error
    groups: list[KeyGroup] = []
    for group in ring.groups:
        if group is place:
            groups.append(made)
        elif group is old:
            groups += [replace(group, keys=kept)] if kept else []
            groups += [made] if place is None else []
        elif group.version != INITIAL_KEYS or not is_complete(made):
            groups.append(group)
    groups += [made] if old is None and place is None else []
    return Keyring(tuple(groups))


def restarts_counter(before: Keyring, new: NewKeys, after: Keyring) -> bool:
    """Tell whether the sequence counter of the new version begins at zero again.

    SCP02 has it so after any update (CS231 E.1.2), SCP03 where the version is new or all of
    its keys are (AmdD 6.2.2.1).
    """
    made = after.group(new.version)
    if made is None or made.scp != SCP03:
        return True
    return before.group(new.version) is None or made.keys.keys() == new.keys.keys()


def _protocol(
    model: KeyGroup | None, key: CardKey, session: KeyGroup, upgrade_i: int | None
) -> tuple[int, int]:
    """Return what a channel with the new keys speaks, and its options.

    `model` is the group that they replace or join. Its algorithm and key length stay as they
    are (11.8.2.3.3), but for a card that can be upgraded, whose keys may become AES and longer.
    """
    if model is None:
        as_it_is = key.key_type == session.key_type
        is_upgrade = key.key_type == AES
    else:
        as_it_is = (key.key_type, len(key.value)) == (model.key_type, model.key_length)
        is_upgrade = key.key_type == AES and (
            model.key_type == DES or len(key.value) > model.key_length
        )
    if as_it_is:
        model = model or session
        return model.scp, model.i
    if is_upgrade and upgrade_i is not None:
        return SCP03, upgrade_i
    raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)


def _keys_of(group: KeyGroup | None) -> Mapping[int, CardKey]:
    return group.keys if group else {}


def _take_key(fields: bytes, dek: DataEncryptionKey) -> tuple[CardKey, bytes]:
    """Read one key data field of the basic format; return the key, and what follows it."""
    (key_type, length), fields = _take(fields, 2)
    component, fields = _take(fields, length)
    (check_value_length,), fields = _take(fields, 1)
    check_value, fields = _take(fields, check_value_length)
    if key_type == DES_HISTORICAL:
        key_type = DES
    if key_type not in KEY_LENGTHS:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    key = CardKey(key_type, _decrypt(key_type, component, dek))
    if check_value_length != CHECK_VALUE_LENGTH or check_value != key.check_value:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    return key, fields


def _decrypt(key_type: int, component: bytes, dek: DataEncryptionKey) -> bytes:
    """Return the value of a key component block: 11.8.2.3.3.

    A block that is not whole cipher blocks begins with the length of the key, and only then
    may there be padding. That is AES's form; a DES key has always come without.
    """
    length = len(component)
    if key_type == AES and length % dek.block:
        length, component = component[0], component[1:]
    padding = -length % dek.block
    if length not in KEY_LENGTHS[key_type] or len(component) != length + padding:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    return dek.decrypt(component)[:length]


def _take(data: bytes, length: int) -> tuple[bytes, bytes]:
    if len(data) < length:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    return data[:length], data[length:]

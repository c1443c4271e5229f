"""Whether the token holds what its inventory says, as far as this worker uses its keys."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from hsm.held_keys import held_keys
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.quorum.inventory import (
    Difference,
    Inventory,
    ObjectName,
    decode,
    differences,
    keys_of,
)
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.worker.keyring import KeyName, Keyring, PairName

LOG = logging.getLogger(__name__)

_MOST_TOLD = 10


def require_inventory(token: Token, keyring: Keyring, file: Path, used: Iterable[KeyName]) -> None:
    """Compare the token with an inventory; drift in keys that nobody here uses is a warning.

    The daemon's own keys are used in every version, as the highest one counts. The file is read
    each time, so that a token that is not served is served once its inventory is right.

    Args:
        token: logged in.
        keyring: holds a key of the token.
        file: the inventory.
        used: the keys that are worked with.

    Raises:
        ApprovalRefused: `inventory-drift`, which names each key and what is wrong with it;
            `inventory-malformed`.
        HsmError: the token is not there.
    """
    inventory = _read(file)
    found = differences(inventory, token.serial, keys_of(held_keys(token)))
    keyring.probe()  # a token that is gone seems to hold no keys
    names = {name for key in used for name in _objects(key)}
    in_use = [each for each in found if each.key and _is_used(each.key, names)]
    if in_use:
        raise ApprovalRefused(Rule.INVENTORY_DRIFT, f"{_told(in_use)} (by {file})")
    if found:
        LOG.warning("the token differs from %s in what is not used: %s", file, _told(found))


def _read(file: Path) -> Inventory:
    try:
        return decode(file.read_bytes())
    except OSError as error:
        raise ApprovalRefused(Rule.INVENTORY_MALFORMED, f"{file}: {error.strerror}") from error
    except ApprovalRefused as error:
        raise ApprovalRefused(error.rule, f"{file}: {error.words}") from error


def _objects(key: KeyName) -> Iterator[ObjectName]:
    """Yield the objects that a key is, both halves of a pair."""
    if isinstance(key, PairName):
        yield _named("private", key.reference)
        yield _named("public", key.reference)
    else:
        yield _named("secret", key)


def _named(kind: str, reference: KeyReference) -> ObjectName:
    return ObjectName(kind, reference.label, reference.id.hex())


def _is_used(name: ObjectName, used: set[ObjectName]) -> bool:
    return name in used or (name.kind == "secret" and name.label in SERVICE_KEYS)


def _told(found: list[Difference]) -> str:
    told = [str(each) for each in found[:_MOST_TOLD]]
    if more := len(found) - len(told):
        told.append(f"and {more} more")
    return "; ".join(told)

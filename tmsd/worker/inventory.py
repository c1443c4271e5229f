"""Whether the token holds what its inventory says, as far as this worker uses its keys."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from hsm.data_objects import read_documents
from hsm.held_keys import held_keys
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.config.reserved_keys import INVENTORY_DOCUMENT, QUORUM_DOCUMENT, SERVICE_KEYS
from tmsd.quorum import signed_inventory
from tmsd.quorum.inventory import (
    Difference,
    Inventory,
    ObjectName,
    decode,
    differences,
    keys_of,
)
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.signed_inventory import SignedInventory, require_signed
from tmsd.worker.keyring import KeyName, Keyring, PairName

LOG = logging.getLogger(__name__)

_MOST_TOLD = 10


def require_inventory(
    token: Token, keyring: Keyring, file: Path | None, used: Iterable[KeyName]
) -> None:
    """Compare the token with an inventory; drift in keys that nobody here uses is a warning.

    Where the token has a quorum, it must be the one that officers signed last. The daemon's own
    keys are used in every version, as the highest one counts. The file is read each time, so that
    a token that is not served is served once its inventory is right.

    Args:
        token: logged in.
        keyring: holds a key of the token.
        file: the inventory; None where nobody wrote it down.
        used: the keys that are worked with.

    Raises:
        ApprovalRefused: `inventory-drift`, which names each key and what is wrong with it;
            `inventory-unsigned`, `inventory-altered`, `inventory-missing`, `inventory-malformed`.
        HsmError: the token is not there.
    """
    is_governed = bool(read_documents(token, QUORUM_DOCUMENT))
    signed = signed_inventory.newest(read_documents(token, INVENTORY_DOCUMENT))
    keyring.probe()  # a token that is gone seems to have no documents
    if file is None:
        if signed is not None:
            raise ApprovalRefused(
                Rule.INVENTORY_MISSING, f"`[hsm] inventory` names none; the token knows {signed}"
            )
        return
    inventory = _read(file, signed, is_governed=is_governed)
    found = differences(inventory, token.serial, keys_of(held_keys(token)))
    keyring.probe()  # a token that is gone seems to hold no keys
    names = {name for key in used for name in _objects(key)}
    in_use = [each for each in found if each.key and _is_used(each.key, names)]
    if in_use:
        raise ApprovalRefused(Rule.INVENTORY_DRIFT, f"{_told(in_use)} (by {file})")
    if found:
        LOG.warning("the token differs from %s in what is not used: %s", file, _told(found))


def _read(file: Path, signed: SignedInventory | None, *, is_governed: bool) -> Inventory:
    try:
        document = file.read_bytes()
        inventory = decode(document)
        if is_governed or signed is not None:
            require_signed(document, signed)
    except OSError as error:
        raise ApprovalRefused(Rule.INVENTORY_MALFORMED, f"{file}: {error.strerror}") from error
    except ApprovalRefused as error:
        raise ApprovalRefused(error.rule, f"{file}: {error.words}") from error
    return inventory


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

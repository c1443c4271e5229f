"""Step: write down every key of the token, and have the officers sign that it holds no others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from hsm.data_objects import drop_others, read_documents, replace_documents
from hsm.held_keys import held_keys
from hsm.token import Token
from tmsd import clock
from tmsd.ceremony.new_file import write_new
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step
from tmsd.config.reserved_keys import INVENTORY_DOCUMENT
from tmsd.config.values import Name
from tmsd.quorum import canonical, signed_inventory
from tmsd.quorum.inventory import Inventory, inventory_of, keys_of
from tmsd.quorum.signed_inventory import SignedInventory


class SignInventory(Step):
    """`sign-inventory`.

    Attributes:
        file: the inventory's name, in the folder of the minutes.
    """

    do: Literal["sign-inventory"]
    file: Name

    def said(self) -> Iterator[str]:
        """Yield what is signed."""
        yield f"Sign the inventory of the token, which goes into the file {self.file}: these keys,"
        yield "and no others. From then on daemons refuse any other inventory, and what differs."

    def also_asked(self, room: Room) -> Facts:
        """Return the keys that the token holds now, and the hash of all that is said of them."""
        with room.token() as token:
            return signed_inventory.shown(_taken(token))

    def perform(self, room: Room) -> Facts:
        """Write the file, and have the token remember it."""
        with room.token() as token:
            taken = _taken(token)
            document = canonical.encode(taken)
            approved = room.approved.get("inventory_sha256")
            if signed_inventory.digest(document) != approved:
                raise Refused("the token's keys are not those that were approved any more")
            _write(room.folder / self.file, document)
            if room.minutes is None:
                raise Refused(
                    "an inventory is signed in a ceremony alone, of which there are minutes"
                )
            signed = SignedInventory(
                inventory=signed_inventory.digest(document),
                ceremony=room.minutes.ceremony,
                signed=int(clock.now().timestamp()),
            )
            replace_documents(token, INVENTORY_DOCUMENT, canonical.encode(signed))
        return _facts(taken)

    def found(self, room: Room) -> Facts | None:
        """Return the inventory that the token remembers, if it is that of its keys."""
        with room.token() as token:
            taken = _taken(token)
            signed = signed_inventory.newest(read_documents(token, INVENTORY_DOCUMENT))
            document = canonical.encode(taken)
            if signed is None or signed.inventory != signed_inventory.digest(document):
                return None
            drop_others(token, INVENTORY_DOCUMENT, canonical.encode(signed))
        _write(room.folder / self.file, document)
        return _facts(taken)


def _taken(token: Token) -> Inventory:
    return inventory_of(token.label, token.serial, keys_of(held_keys(token)))


def _write(path: Path, document: bytes) -> None:
    """Write the file, unless it is there from before an interruption.

    Raises:
        Refused: another one is there.
    """
    if not path.exists() or path.read_bytes() != document:
        write_new(path, document)


def _facts(taken: Inventory) -> Facts:
    return {
        "inventory_sha256": signed_inventory.digest(canonical.encode(taken)),
        "key_objects": len(taken.keys),
    }

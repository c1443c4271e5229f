"""The officers sign which keys the token holds, and the token remembers what they signed."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from hsm.attributes import MASTER_KEY
from hsm.data_objects import read_documents
from hsm.importing import generate_key
from hsm.keys import AES_256, KeyReference
from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, GENERATE, Present, room, script
from tests.ceremony.test_reviewing import PINNED
from tmsd.ceremony.people import Ended
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.config.reserved_keys import INVENTORY_DOCUMENT
from tmsd.quorum.approval import Approval
from tmsd.quorum.inventory import decode
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request
from tmsd.quorum.signed_inventory import SignedInventory, newest

SIGN = """
[[steps]]
do = "sign-inventory"
file = "inventory.json"
"""
STEPS = (ENROL, GENERATE.format(label="one"), SIGN)


@pytest.fixture
def where(fresh_token: TokenAddress, tmp_path: Path) -> Room:
    """A room around a token with a serial number and nothing else."""
    return room(tmp_path, fresh_token, Present())


def remembered(where: Room) -> SignedInventory | None:
    with where.token() as token:
        return newest(read_documents(token, INVENTORY_DOCUMENT))


def test_officers_see_each_key_before_they_sign_and_the_token_remembers_the_file(
    where: Room,
) -> None:
    assert isinstance(where.people, Present)
    begin(load_script(script(where.folder, *STEPS)), where)

    document = (where.folder / "inventory.json").read_bytes()
    (key,) = decode(document).keys
    asked = where.people.asked[2].parameters
    assert asked["keys_01"] == f"'one' 1 aes256 {key.check}"
    assert asked["inventory_sha256"] == sha256(document).hexdigest()
    last = remembered(where)
    assert last is not None
    assert last.inventory == sha256(document).hexdigest()
    found = review(minutes_of(where), PINNED)
    assert found.faults == ()
    assert found.records[-1].decision.request_id == last.ceremony


class Slow(Present):
    """Officers who sign an inventory so slowly that somebody makes another key meanwhile."""

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        if "inventory_sha256" in request.parameters:
            with self.where.token() as token:
                generate_key(token, KeyReference("smuggled", 1), AES_256, MASTER_KEY)
        return super().approvals(request, quorum)

    where: Room


def test_what_comes_into_the_token_while_officers_sign_is_not_signed(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Slow()
    where = people.where = room(tmp_path, fresh_token, people)
    with pytest.raises(Refused, match="are not those that were approved any more"):
        begin(load_script(script(where.folder, *STEPS)), where)

    assert remembered(where) is None
    assert not (where.folder / "inventory.json").exists()


def test_interrupted_before_it_is_on_record_it_is_found_and_its_file_made_whole(
    where: Room,
) -> None:
    assert isinstance(where.people, Present)
    where.people.leave_after = 3
    planned = load_script(script(where.folder, *STEPS))
    with pytest.raises(Ended):  # as the close is to be signed
        begin(planned, where)
    file = where.folder / "inventory.json"
    document = file.read_bytes()
    file.unlink()

    facts = planned.steps[2].found(where)

    assert facts == {"inventory_sha256": sha256(document).hexdigest(), "key_objects": 1}
    assert file.read_bytes() == document


def test_another_file_is_never_replaced(where: Room) -> None:
    assert isinstance(where.people, Present)
    (where.folder / "inventory.json").write_text("something else\n")
    planned = load_script(script(where.folder, *STEPS))
    with pytest.raises(Refused, match=r"inventory\.json is there already"):
        begin(planned, where)
    assert remembered(where) is None

    (where.folder / "inventory.json").unlink()
    resume(planned, where)
    assert review(minutes_of(where), PINNED).steps == len(STEPS)


def test_a_later_inventory_takes_the_place_of_the_one_before(where: Room) -> None:
    again = SIGN.replace("inventory.json", "later.json")
    begin(load_script(script(where.folder, *STEPS, GENERATE.format(label="two"), again)), where)

    last = remembered(where)
    assert last is not None
    assert last.inventory == sha256((where.folder / "later.json").read_bytes()).hexdigest()

"""Drift from the inventory ends a worker that uses the key, and is a warning otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import structs

from hsm.attributes import MASTER_KEY, SERVICE_MAC_KEY, Template
from hsm.data_objects import add_document, drop_others
from hsm.held_keys import held_keys
from hsm.importing import destroy_key, generate_key
from hsm.key_pairs import destroy_key_pair, generate_key_pair
from hsm.keys import AES_256, KeyReference
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from tmsd.config.reserved_keys import CHANNEL_KEY, INVENTORY_DOCUMENT, QUORUM_DOCUMENT
from tmsd.quorum import canonical
from tmsd.quorum.inventory import decode, inventory_of, keys_of
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.signed_inventory import SignedInventory
from tmsd.worker.inventory import require_inventory
from tmsd.worker.keyring import Keyring, PairName

DRIFTING = KeyReference("drifting", 7)
OTHER = KeyReference("somebody else's", 1)


@pytest.fixture
def file(hsm_token: Token, keyring: Keyring, tmp_path: Path) -> Path:
    """The inventory of the token as it is, and a keyring that holds a key."""
    keyring.service_mac(CHANNEL_KEY, 1, b"")
    taken = inventory_of(hsm_token.label, hsm_token.serial, keys_of(held_keys(hsm_token)))
    file = tmp_path / "inventory.json"
    file.write_bytes(canonical.encode(taken))
    return file


@contextmanager
def extra(token: Token, reference: KeyReference, template: Template) -> Iterator[None]:
    generate_key(token, reference, AES_256, template)
    try:
        yield
    finally:
        destroy_key(token, reference)


def test_drift_in_a_key_that_is_used_is_refused_by_name(
    hsm_token: Token, keyring: Keyring, file: Path
) -> None:
    require_inventory(hsm_token, keyring, file, [DRIFTING])
    with extra(hsm_token, DRIFTING, MASTER_KEY), pytest.raises(ApprovalRefused) as refused:
        require_inventory(hsm_token, keyring, file, [DRIFTING])
    assert refused.value.rule is Rule.INVENTORY_DRIFT
    assert refused.value.words == (
        f"secret key 'drifting' version 7: not in the inventory (by {file})"
    )


def test_a_new_version_of_the_daemon_s_own_key_would_be_used(
    hsm_token: Token, keyring: Keyring, file: Path
) -> None:
    reference = KeyReference(CHANNEL_KEY, 9)
    with (
        extra(hsm_token, reference, SERVICE_MAC_KEY),
        pytest.raises(
            ApprovalRefused, match="inventory-drift: secret key 'tmsd-channel' version 9"
        ),
    ):
        require_inventory(hsm_token, keyring, file, [])


def test_both_halves_of_a_key_pair_are_used(hsm_token: Token, keyring: Keyring, file: Path) -> None:
    generate_key_pair(hsm_token, DRIFTING, KeyPairAlgorithm.P256)
    try:
        require_inventory(hsm_token, keyring, file, [DRIFTING])  # a secret key, which is none
        with pytest.raises(ApprovalRefused, match=r"private key 'drifting'.*; public key"):
            require_inventory(hsm_token, keyring, file, [PairName(DRIFTING)])
    finally:
        destroy_key_pair(hsm_token, DRIFTING)


def test_drift_in_other_keys_is_a_warning(
    hsm_token: Token, keyring: Keyring, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    require_inventory(hsm_token, keyring, file, [DRIFTING])
    assert caplog.text == ""
    with extra(hsm_token, OTHER, MASTER_KEY):
        require_inventory(hsm_token, keyring, file, [DRIFTING])
    assert 'in what is not used: secret key "somebody else\'s" version 1: not in' in caplog.text


def test_an_inventory_that_cannot_be_read_is_named(
    hsm_token: Token, keyring: Keyring, file: Path
) -> None:
    file.write_text("{}")
    with pytest.raises(ApprovalRefused, match=f"inventory-malformed: {file}: "):
        require_inventory(hsm_token, keyring, file, [])
    file.unlink()
    with pytest.raises(ApprovalRefused, match=f"{file}: No such file or directory"):
        require_inventory(hsm_token, keyring, file, [])


@contextmanager
def remembered(token: Token, label: str, document: bytes) -> Iterator[None]:
    add_document(token, label, document)
    try:
        yield
    finally:
        drop_others(token, label, b"")


def signed(file: Path) -> bytes:
    of_file = sha256(file.read_bytes()).hexdigest()
    return canonical.encode(SignedInventory(inventory=of_file, ceremony="ab" * 16, signed=1))


def test_under_a_quorum_an_inventory_that_nobody_signed_is_refused(
    hsm_token: Token, keyring: Keyring, file: Path
) -> None:
    with (
        remembered(hsm_token, QUORUM_DOCUMENT, b"a quorum"),
        pytest.raises(ApprovalRefused, match=f"inventory-unsigned: {file}: "),
    ):
        require_inventory(hsm_token, keyring, file, [])


def test_the_inventory_that_was_signed_is_taken_and_no_other(
    hsm_token: Token, keyring: Keyring, file: Path
) -> None:
    with remembered(hsm_token, INVENTORY_DOCUMENT, signed(file)):
        require_inventory(hsm_token, keyring, file, [DRIFTING])

        taken = decode(file.read_bytes())
        file.write_bytes(canonical.encode(structs.replace(taken, keys=taken.keys[:-1])))
        with pytest.raises(ApprovalRefused, match=f"inventory-altered: {file}: its SHA-256 is"):
            require_inventory(hsm_token, keyring, file, [DRIFTING])


def test_once_one_was_signed_it_cannot_be_left_out(
    hsm_token: Token, keyring: Keyring, file: Path
) -> None:
    require_inventory(hsm_token, keyring, None, [])
    with (
        remembered(hsm_token, INVENTORY_DOCUMENT, signed(file)),
        pytest.raises(ApprovalRefused, match=r"inventory-missing: `\[hsm\] inventory` names none"),
    ):
        require_inventory(hsm_token, keyring, None, [])

"""Session keys for a caller that goes on by itself: a real token wraps them, the caller unwraps.

Cards are virtual and answer a real challenge; what the caller gets out of the delivery must be
the keys that the card's own static keys give, and open the same channel with the card.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from pkcs11 import Attribute

from hsm.attributes import HMAC_MASTER_KEY, MASTER_KEY, TRANSPORT_KEY, UNDIVERSIFIED_KEY, Template
from hsm.hmac import filled_up
from hsm.importing import destroy_key, import_key
from hsm.keys import AES_256, CIPHER_SHAPES, DES2, SECRET_32, KeyReference, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tests.globalplatform.key_stores import PlainKeys, diversified
from tests.site.batches import (
    AES128,
    AES192,
    AES256,
    AES_S16,
    DES_EMV,
    DES_R_MAC,
    DES_SHARED,
    SCP01,
    SCP01_HMAC,
    Batch,
)
from tests.site.channels import OK, initialize_update
from tests.softhsm.each_token import asked, needs, on_each_token
from tests.worker.key_sets import made
from tmsd.config.callers import Caller, Delivery, Role
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import Policy
from tmsd.config.transport_keys import TransportKey
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import diversification
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.diversification import Target
from tmsd.globalplatform.initialize_update import parse
from tmsd.globalplatform.keys import Algorithm, Key, Use
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.globalplatform.protocols import PROTOCOLS
from tmsd.vault import card_messages
from tmsd.worker import opening
from tmsd.worker.context import Context
from tmsd.worker.keyring import Keyring

pytestmark = on_each_token

BATCHES = (AES128, AES192, AES256, AES_S16, DES_EMV, DES_R_MAC, SCP01, SCP01_HMAC, DES_SHARED)
SHARED = {"aes": bytes(range(0x60, 0x80)), "des": bytes(range(0x41, 0x51))}
ALGORITHMS = {
    "aes128": Algorithm.AES_128,
    "aes192": Algorithm.AES_192,
    "aes256": Algorithm.AES_256,
    "des3": Algorithm.DES2,
}
TRANSPORT_KEYS = [
    TransportKey(name="aes", algorithm=KeyAlgorithm.AES256),
    TransportKey(name="des", algorithm=KeyAlgorithm.DES3, allow_key_material_in_worker=True),
]


def caller(name: str, **values: object) -> Caller:
    return Caller.model_validate(
        {
            "name": name,
            "public_key_sha256": name.encode().hex().ljust(64, "0"),
            "roles": (Role.TPS,),
            "key_sets": ("*",),
            "deliveries": (Delivery.SEALED, Delivery.TRANSPORT),
            "transport_key": "aes",
        }
        | values
    )


CALLERS = (
    caller("aes"),
    caller("with-dek", deliver_static_dek=True),
    caller("des", transport_key="des"),
    caller("des-with-dek", transport_key="des", deliver_static_dek=True),
    caller("sealed-only", deliveries=(Delivery.SEALED,)),
)


def key_sets() -> dict[str, Any]:
    return {
        batch.key_set: made(
            KeyAlgorithm(batch.algorithm),
            name=batch.key_set,
            scp=f"{batch.scp:02x}",
            scp_i=(batch.i,),
            diversification=batch.diversification,
            undiversified=batch.diversification == "none",
            allow_key_material_in_worker=batch is SCP01_HMAC,
            require_issued_challenge=False,
        )
        for batch in BATCHES
    }


@pytest.fixture(scope="module")
def context(hsm_token: Token) -> Iterator[Context]:
    """A worker's, with every batch's master key and both transport keys."""
    needs(hsm_token, "derives_aes_ecb", "wraps_aes_key_wrap")
    policy = Policy.model_validate(
        {
            "source": Path("policy.toml"),
            "digest": "0" * 64,
            "callers": {caller.name: caller for caller in CALLERS},
            "key_sets": key_sets(),
            "transport_keys": {key.name: key for key in TRANSPORT_KEYS},
        }
    )
    with ExitStack() as stack:
        for batch in BATCHES:
            reference = KeyReference(batch.key_set, 1)
            _import_master(hsm_token, batch, reference)
            stack.callback(destroy_key, hsm_token, reference)
        for name, shape in (("aes", AES_256), ("des", DES2)):
            reference = KeyReference(name, 1)
            _import(hsm_token, reference, Secret(SHARED[name]), shape, TRANSPORT_KEY)
            stack.callback(destroy_key, hsm_token, reference)
        yield Context(hsm_token, Keyring(hsm_token), policy, 1, 1, 1, 300, 60)


def _import_master(token: Token, batch: Batch, reference: KeyReference) -> None:
    if batch is SCP01_HMAC:
        value = filled_up(Secret(batch.master))
        _import(token, reference, value, SECRET_32, HMAC_MASTER_KEY)
        return
    is_des = batch.algorithm == "des3"
    (shape,) = [
        s for s in CIPHER_SHAPES if s.length == len(batch.master) and s.is_aes is not is_des
    ]
    template = UNDIVERSIFIED_KEY if batch.diversification == "none" else MASTER_KEY
    _import(token, reference, Secret(batch.master), shape, template)


def _import(
    token: Token, reference: KeyReference, value: Secret, shape: KeyShape, template: Template
) -> None:
    # NSS's softokn has one persistent key for an id, whatever its label.
    import_key(token, reference, value, shape, {**template, Attribute.TOKEN: False})


class Delivered:
    """A delivery, unwrapped as its caller would, beside what the card's keys really are."""

    def __init__(
        self, context: Context, batch: Batch, name: str, level: SecurityLevel, length: int = 8
    ) -> None:
        self.card = batch.card()
        self.challenge = bytes(range(length))
        self.answer = initialize_update(self.card, self.challenge)
        request = card_messages.DeliverKeys(
            caller=name,
            key_set=batch.key_set,
            card=card_messages.Card(
                initialize_update=self.answer, host_challenge=self.challenge, scp_i=batch.i
            ),
            security_level=level,
        )
        self.told = opening.deliver_keys(context, request)
        self.static = self._static(batch)
        self.level = level

    def keys(self) -> dict[str, bytes]:
        """Return the keys in the delivery, by name."""
        delivered = self.told.keys
        named = {name: getattr(delivered, name) for name in ("enc", "mac", "rmac", "dek")}
        return {name: self._unwrapped(key) for name, key in named.items() if key is not None}

    def expected(self) -> dict[str, bytes]:
        """Return the session keys of the card, by name."""
        card = parse(self.answer)
        protocol = PROTOCOLS[card.scp]
        context = protocol.session_context(self.challenge, card)
        roles = protocol.messaging_roles(self.told.i, self.level)
        static = {role: self.static[role] for role in roles}
        keys = protocol.session_keys(static, context, self.told.i, self.level)
        named = protocol.deliverable_keys(keys)
        return {name: key.value for name, key in named.items()}

    def dek(self) -> bytes:
        """Return the card's DEK, in SCP02 of the session."""
        card = parse(self.answer)
        protocol = PROTOCOLS[card.scp]
        context = protocol.session_context(self.challenge, card)
        static = self.static[protocol.dek_role(self.told.i)]
        dek = protocol.data_encryption_key(static, context)
        assert isinstance(dek, PlainKey)
        return dek.value

    def _unwrapped(self, key: bytes) -> bytes:
        if self.told.keys.mechanism == "aes-key-wrap":
            return aes_key_unwrap(SHARED["aes"], key)
        shared = PlainKey(Algorithm.DES2, SHARED["des"])
        blocks = [key[at : at + 8] for at in range(0, len(key), 8)]
        return b"".join(shared.decrypt_cbc(block, bytes(8)) for block in blocks)

    def _static(self, batch: Batch) -> dict[diversification.Role, Key]:
        data = parse(self.answer).diversification_data
        target = Target(ALGORITHMS[batch.algorithm], Use.CARD_KEY)
        return diversified(PlainKeys(), batch.diversification, batch.master, data, target)


C_MAC = SecurityLevel.C_MAC
BOTH = SecurityLevel.C_MAC | SecurityLevel.C_ENC
R_MAC = SecurityLevel.R_MAC
ALL = BOTH | R_MAC | SecurityLevel.R_ENC
CASES = [
    (AES128, ALL, {"enc", "mac", "rmac"}),
    (AES128, C_MAC | R_MAC, {"mac", "rmac"}),
    (AES192, C_MAC, {"mac"}),
    (AES256, BOTH, {"enc", "mac"}),
    (AES_S16, ALL, {"enc", "mac", "rmac"}),
    (DES_EMV, BOTH, {"enc", "mac"}),
    (DES_R_MAC, BOTH | R_MAC, {"enc", "mac", "rmac"}),
    (SCP01, BOTH, {"enc", "mac"}),
    (SCP01, C_MAC, {"mac"}),
    (SCP01_HMAC, BOTH, {"enc", "mac"}),
    (DES_SHARED, BOTH, {"enc", "mac"}),
]
each_case = pytest.mark.parametrize(
    ("batch", "level", "names"),
    [pytest.param(*case, id=f"{case[0].key_set}-{case[1]:02x}") for case in CASES],
)


@each_case
def test_what_comes_out_of_rfc_3394_are_the_session_keys_of_the_card(
    context: Context, batch: Batch, level: SecurityLevel, names: set[str]
) -> None:
    delivered = Delivered(context, batch, "aes", level, batch.challenge_length)

    assert delivered.keys() == delivered.expected()
    assert delivered.keys().keys() == names
    assert delivered.told.keys.mechanism == "aes-key-wrap"
    assert delivered.told.key_material_in_worker is (batch is SCP01_HMAC)
    assert delivered.card.transmit(delivered.told.external_authenticate) == OK


@each_case
def test_under_triple_des_they_are_the_same_and_the_answer_says_whether_they_were_read(
    context: Context, batch: Batch, level: SecurityLevel, names: set[str]
) -> None:
    delivered = Delivered(context, batch, "des", level, batch.challenge_length)

    assert delivered.keys() == delivered.expected()
    assert delivered.keys().keys() == names
    assert delivered.told.keys.mechanism == "des3-ecb"
    stays = asked(context.token).wraps_des3_ecb and batch is not SCP01_HMAC
    assert delivered.told.key_material_in_worker is not stays


@pytest.mark.parametrize(
    ("batch", "name"),
    [
        (AES256, "with-dek"),
        (SCP01, "with-dek"),
        (SCP01_HMAC, "with-dek"),
        (SCP01_HMAC, "des-with-dek"),
        (DES_EMV, "with-dek"),
        (DES_EMV, "des-with-dek"),
    ],
    ids=lambda each: getattr(each, "key_set", each),
)
def test_a_dek_goes_to_callers_that_may_have_it(context: Context, batch: Batch, name: str) -> None:
    delivered = Delivered(context, batch, name, C_MAC)

    assert delivered.keys() == delivered.expected() | {"dek": delivered.dek()}


@pytest.mark.parametrize("batch", [AES256, SCP01], ids=lambda batch: batch.key_set)
def test_the_transport_keys_exception_does_not_make_a_static_dek_readable(
    context: Context, batch: Batch
) -> None:
    _needs_the_exception(context)
    setting = rf"key_sets\.{batch.key_set} would have to say allow_key_material_in_worker"
    with pytest.raises(ServiceError, match=setting) as refusal:
        Delivered(context, batch, "des-with-dek", C_MAC)

    assert refusal.value.code is Code.MECHANISM_UNAVAILABLE


def test_without_its_exception_a_triple_des_transport_key_delivers_nothing(
    context: Context,
) -> None:
    _needs_the_exception(context)
    closed = _with_transport_key(context, "des", allow_key_material_in_worker=False)

    with pytest.raises(ServiceError, match=r"CKM_DES3_ECB; transport_keys\.des would") as refusal:
        Delivered(closed, DES_EMV, "des", BOTH)

    assert refusal.value.code is Code.MECHANISM_UNAVAILABLE


def test_a_caller_without_the_delivery_gets_nothing(context: Context) -> None:
    with pytest.raises(ServiceError, match="transport is not open to sealed-only") as refusal:
        Delivered(context, AES128, "sealed-only", C_MAC)

    assert (refusal.value.code, refusal.value.pointer) == (Code.DELIVERY_NOT_ALLOWED, "/delivery")


def test_a_transport_key_that_is_not_in_the_token_is_missing(context: Context) -> None:
    without = _with_transport_key(context, "aes", label="absent")

    with pytest.raises(ServiceError, match="transport key aes cannot be used") as refusal:
        Delivered(without, AES128, "aes", C_MAC)

    assert refusal.value.code is Code.KEY_MISSING


def test_a_card_with_other_keys_brings_its_caller_nothing(context: Context) -> None:
    stranger = replace(AES128, master=bytes(16))

    with pytest.raises(ServiceError) as refusal:
        Delivered(context, stranger, "aes", C_MAC)

    assert refusal.value.code is Code.CARD_CRYPTOGRAM_MISMATCH


def test_a_token_that_wraps_under_triple_des_needs_no_exception(context: Context) -> None:
    needs(context.token, "wraps_des3_ecb")
    closed = _with_transport_key(context, "des", allow_key_material_in_worker=False)

    delivered = Delivered(closed, DES_EMV, "des", BOTH)

    assert delivered.keys() == delivered.expected()
    assert delivered.told.key_material_in_worker is False


def _needs_the_exception(context: Context) -> None:
    if asked(context.token).wraps_des3_ecb:
        pytest.skip("the token was asked, and needs no exception")


def _with_transport_key(context: Context, name: str, **values: object) -> Context:
    """Return a worker whose policy has a transport key otherwise."""
    keys = context.policy.transport_keys
    others = keys | {name: keys[name].model_copy(update=values)}
    return replace(context, policy=context.policy.model_copy(update={"transport_keys": others}))


def test_nothing_of_a_delivery_stays_in_the_token(context: Context) -> None:
    before = len(list(context.token.session.get_objects()))

    Delivered(context, AES128, "with-dek", ALL)
    Delivered(context, SCP01_HMAC, "des-with-dek", BOTH)

    assert len(list(context.token.session.get_objects())) == before

"""A card's static keys come from its key set's master keys, in the token, and do not stay."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from pkcs11 import Attribute

from hsm.attributes import HMAC_MASTER_KEY, MASTER_KEY
from hsm.hmac import filled_up
from hsm.importing import destroy_key, import_key
from hsm.keys import AES_128, AES_256, DES2, DES3, SECRET_32, KeyReference, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tests.globalplatform.key_stores import PlainKeys, diversified, shows
from tests.softhsm.each_token import needs, on_each_token
from tests.worker.key_sets import made
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.diversification import Role, Target
from tmsd.globalplatform.keys import Algorithm, Key, Use
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.worker.card_keys import CardIdentity, derive
from tmsd.worker.hsm_key import HsmKey
from tmsd.worker.keyring import Keyring

pytestmark = on_each_token

ImportMaster = Callable[..., bytes]

LABEL = "master of test_card_keys"
BY_HMAC = "nist-sp800-108-hmac"
DATA = bytes(range(10))
MASTERS = [
    pytest.param(KeyAlgorithm.AES256, AES_256, Algorithm.AES_256, id="AES-256"),
    pytest.param(KeyAlgorithm.DES3, DES2, Algorithm.DES2, id="two-key master"),
    pytest.param(KeyAlgorithm.DES3, DES3, Algorithm.DES2, id="three-key master"),
]


@pytest.fixture
def import_master(hsm_token: Token) -> Iterator[ImportMaster]:
    """Put a master key into the token until the test ends, and return its value."""
    with ExitStack() as stack:

        def imported(shape: KeyShape, version: int = 1, label: str = LABEL) -> bytes:
            value = bytes(range(version + len(label), version + len(label) + shape.length))
            reference = KeyReference(label, version)
            template = HMAC_MASTER_KEY if shape.is_generic else MASTER_KEY
            # NSS's softokn has one persistent key for an id, whatever its label.
            in_session = {**template, Attribute.TOKEN: False}
            import_key(hsm_token, reference, Secret(value), shape, in_session)
            stack.callback(destroy_key, hsm_token, reference)
            return value

        yield imported


def _plain(scheme: str, master: bytes, target: Target, role: Role) -> bytes:
    key: Key = diversified(PlainKeys(), scheme, master, DATA, target)[role]
    assert isinstance(key, PlainKey)
    return key.value


@pytest.mark.parametrize(("algorithm", "shape", "into"), MASTERS)
def test_card_keys_are_those_of_the_key_sets_scheme_and_version(
    hsm_token: Token,
    import_master: ImportMaster,
    algorithm: KeyAlgorithm,
    shape: KeyShape,
    into: Algorithm,
) -> None:
    needs(hsm_token, "derives_aes_ecb", "derives_des3_ecb")
    key_set = made(algorithm, master_key=LABEL, versions={1: "active", 2: "active"})
    masters = {version: import_master(shape, version) for version in (1, 2)}

    for version, master in masters.items():
        identity = CardIdentity(key_set, version, DATA)
        with hsm_token.operation() as operation:
            base = partial(HsmKey, operation)
            keys = derive(Keyring(hsm_token), base, identity, list(Role))

            assert keys.keys() == set(Role)
            for role, key in keys.items():
                assert key.algorithm is into
                plain = _plain(key_set.diversification, master, Target(into), role)
                assert shows(key, Use.CARD_KEY, plain)


def test_a_triple_des_master_makes_the_aes_keys_that_the_key_set_says(
    hsm_token: Token, import_master: ImportMaster
) -> None:
    needs(hsm_token, "derives_des3_ecb")
    master = import_master(DES2)
    key_set = made(
        KeyAlgorithm.DES3, scp="03", card_key_algorithm=KeyAlgorithm.AES128, master_key=LABEL
    )
    identity = CardIdentity(key_set, 1, DATA)

    with hsm_token.operation() as operation:
        keys = derive(Keyring(hsm_token), partial(HsmKey, operation), identity, [Role.MAC])

        assert identity.algorithm is keys[Role.MAC].algorithm is Algorithm.AES_128
        plain = _plain("emv", master, Target(Algorithm.AES_128), Role.MAC)
        assert shows(keys[Role.MAC], Use.CARD_KEY, plain)


def test_each_role_comes_from_the_master_key_of_its_label(
    hsm_token: Token, import_master: ImportMaster
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    labels = {Role.ENC: "master enc", Role.MAC: "other mac", Role.DEK: "third for the dek"}
    masters = {role: import_master(AES_128, 1, label) for role, label in labels.items()}
    key_set = made(
        KeyAlgorithm.AES128,
        master_keys={role.name.lower(): label for role, label in labels.items()},
    )

    with hsm_token.operation() as operation:
        base = partial(HsmKey, operation)
        keys = derive(Keyring(hsm_token), base, CardIdentity(key_set, 1, DATA), list(Role))

        for role, key in keys.items():
            plain = _plain("kdf3", masters[role], Target(Algorithm.AES_128), role)
            assert shows(key, Use.CARD_KEY, plain)


def test_of_several_master_keys_only_those_of_the_roles_asked_for_need_be_there(
    hsm_token: Token, import_master: ImportMaster
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    import_master(AES_128, 1, "only mac")
    key_set = made(
        KeyAlgorithm.AES128, master_keys={"enc": "absent", "mac": "only mac", "dek": "absent"}
    )
    identity = CardIdentity(key_set, 1, DATA)

    with hsm_token.operation() as operation:
        base = partial(HsmKey, operation)
        assert derive(Keyring(hsm_token), base, identity, [Role.MAC]).keys() == {Role.MAC}
        with pytest.raises(ServiceError, match="'absent' version 1") as refusal:
            derive(Keyring(hsm_token), base, identity, [Role.MAC, Role.ENC])

    assert refusal.value.code is Code.KEY_MISSING


@pytest.mark.parametrize("use", [Use.CARD_KEY, Use.DEK, Use.NEW_CARD_KEY])
def test_card_keys_by_hmac_are_made_outside_and_put_back_with_the_attributes_of_their_use(
    hsm_token: Token, use: Use
) -> None:
    needs(hsm_token, "signs_hmac_sha256", "derives_des3_ecb")
    master = bytes(range(0x20, 0x38))
    reference = KeyReference(LABEL, 1)
    key_set = made(
        KeyAlgorithm.DES3,
        diversification=BY_HMAC,
        allow_key_material_in_worker=True,
        master_key=LABEL,
    )
    identity = CardIdentity(key_set, 1, DATA)
    import_key(hsm_token, reference, filled_up(Secret(master)), SECRET_32, HMAC_MASTER_KEY)
    try:
        with hsm_token.operation() as operation:
            base = partial(HsmKey, operation)
            keys = derive(Keyring(hsm_token), base, identity, list(Role), use)

            assert identity.is_exposed
            for role, key in keys.items():
                plain = _plain(BY_HMAC, master, Target(Algorithm.DES2), role)
                assert shows(key, use, plain)
                template = key.template(DES2, use)
                assert {name: key.key.handle[name] for name in template} == template
    finally:
        destroy_key(hsm_token, reference)


def test_only_the_roles_that_are_asked_for_are_derived_and_none_outlives_the_operation(
    hsm_token: Token, import_master: ImportMaster
) -> None:
    needs(hsm_token, "derives_aes_ecb")
    import_master(AES_256)
    identity = CardIdentity(made(KeyAlgorithm.AES256, master_key=LABEL), 1, DATA)
    before = len(list(hsm_token.session.get_objects()))

    with hsm_token.operation() as operation:
        keys = derive(Keyring(hsm_token), partial(HsmKey, operation), identity, [Role.MAC])
        assert len(list(hsm_token.session.get_objects())) == before + 1

    assert keys.keys() == {Role.MAC}
    assert len(list(hsm_token.session.get_objects())) == before

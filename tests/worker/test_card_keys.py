"""A card's static keys come from its key set's master key, in the token, and do not stay."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from hsm.attributes import MASTER_KEY
from hsm.importing import destroy_key, import_key
from hsm.keys import AES_256, DES2, DES3, KeyReference, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tests.globalplatform.key_stores import shows
from tests.worker.key_sets import made
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.globalplatform import diversification
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.worker.card_keys import CardIdentity, derive
from tmsd.worker.hsm_key import ALGORITHMS
from tmsd.worker.keyring import Keyring

ImportMaster = Callable[[KeyShape, int], PlainKey]

LABEL = "master of test_card_keys"
DATA = bytes(range(10))
MASTERS = [
    pytest.param(KeyAlgorithm.AES256, AES_256, Algorithm.AES_256, id="AES-256"),
    pytest.param(KeyAlgorithm.DES3, DES2, Algorithm.DES2, id="two-key master"),
    pytest.param(KeyAlgorithm.DES3, DES3, Algorithm.DES2, id="three-key master"),
]


@pytest.fixture
def import_master(hsm_token: Token) -> Iterator[ImportMaster]:
    """Put a master key into the token until the test ends, and return its twin in memory."""
    with ExitStack() as stack:

        def imported(shape: KeyShape, version: int) -> PlainKey:
            value = bytes(range(version, version + shape.length))
            reference = KeyReference(LABEL, version)
            import_key(hsm_token, reference, Secret(value), shape, MASTER_KEY)
            stack.callback(destroy_key, hsm_token, reference)
            return PlainKey(ALGORITHMS[shape], value)

        yield imported


@pytest.mark.parametrize(("algorithm", "shape", "into"), MASTERS)
def test_card_keys_are_those_of_the_key_sets_scheme_and_version(
    hsm_token: Token,
    import_master: ImportMaster,
    algorithm: KeyAlgorithm,
    shape: KeyShape,
    into: Algorithm,
) -> None:
    key_set = made(algorithm, master_key=LABEL, versions={1: "active", 2: "active"})
    plain_masters = {version: import_master(shape, version) for version in (1, 2)}

    for version, plain_master in plain_masters.items():
        identity = CardIdentity(key_set, version, DATA)
        scheme = key_set.diversification
        plain = diversification.card_keys(scheme, plain_master, list(Role), DATA, into)
        with hsm_token.operation() as operation:
            keys = derive(Keyring(hsm_token), operation, identity, list(Role))

            assert keys.keys() == set(Role)
            for role, key in keys.items():
                assert key.algorithm is into
                assert shows(key, Use.CARD_KEY, plain[role].value)


def test_only_the_roles_that_are_asked_for_are_derived_and_none_outlives_the_operation(
    hsm_token: Token, import_master: ImportMaster
) -> None:
    import_master(AES_256, 1)
    identity = CardIdentity(made(KeyAlgorithm.AES256, master_key=LABEL), 1, DATA)
    before = len(list(hsm_token.session.get_objects()))

    with hsm_token.operation() as operation:
        keys = derive(Keyring(hsm_token), operation, identity, [Role.MAC])
        assert len(list(hsm_token.session.get_objects())) == before + 1

    assert keys.keys() == {Role.MAC}
    assert len(list(hsm_token.session.get_objects())) == before

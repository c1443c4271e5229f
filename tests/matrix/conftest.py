"""A worker's context in the test's process: a token of its own, and a policy with all key sets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pkcs11 import Attribute

from hsm.attributes import (
    HMAC_MASTER_KEY,
    MASTER_KEY,
    SERVICE_MAC_KEY,
    UNDIVERSIFIED_KEY,
    Template,
)
from hsm.hmac import filled_up
from hsm.importing import generate_key, import_key
from hsm.keys import (
    AES_128,
    AES_192,
    AES_256,
    DES2,
    SECRET_32,
    KeyReference,
    KeyShape,
)
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.matrix.changeovers import CHANGEOVER_ISSUERS
from tests.matrix.channels import CALLER
from tests.matrix.combinations import ISSUERS, LEVELS
from tests.matrix.issuers import Issuer, master_value
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tmsd.config.callers import Caller, EncryptPurpose, Role
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.worker.context import Context
from tmsd.worker.keyring import Keyring

ALL_ISSUERS = (*ISSUERS, *CHANGEOVER_ISSUERS)

_SHAPES = {"des3": DES2, "aes128": AES_128, "aes192": AES_192, "aes256": AES_256}


@pytest.fixture(scope="session")
def worker(softhsm: SoftHsm) -> Iterator[Context]:
    """What the worker's functions work with."""
    with open_token(softhsm.make_token(), Secret(USER_PIN), writable=True) as token:
        for label in SERVICE_KEYS:
            generate_key(token, KeyReference(label, 1), AES_256, SERVICE_MAC_KEY)
        _import_masters(token)
        yield Context(
            token=token,
            keyring=Keyring(token),
            policy=policy(),
            channel_key_version=1,
            challenge_key_version=1,
            receipt_key_version=1,
            session_seconds=300,
            challenge_seconds=60,
        )


def policy() -> Policy:
    """Return a policy of one caller that may use every issuer's key set for every purpose."""
    caller = Caller(
        name=CALLER,
        public_key_sha256="a" * 64,
        roles=(Role.TPS,),
        key_sets=("*",),
        encrypt_purposes=tuple(EncryptPurpose),
    )
    return Policy.model_validate(
        {
            "source": Path("policy.toml"),
            "digest": "0" * 64,
            "callers": {CALLER: caller},
            "key_sets": {
                issuer.name: issuer.key_set(tuple(LEVELS[issuer.scp])) for issuer in ALL_ISSUERS
            },
        }
    )


def _import_masters(token: Token) -> None:
    masters = {
        KeyReference(label, version): issuer
        for issuer in ALL_ISSUERS
        for label in issuer.labels.values()
        for version in issuer.versions
    }
    for reference, issuer in masters.items():
        value = master_value(reference.label, issuer.master, reference.version)
        shape = _shape(issuer)
        secret = filled_up(Secret(value)) if issuer.is_exposed else Secret(value)
        # Persistent objects would be written to disk one by one.
        in_session = {**_attributes(issuer), Attribute.TOKEN: False}
        import_key(token, reference, secret, shape, in_session)


def _shape(issuer: Issuer) -> KeyShape:
    return SECRET_32 if issuer.is_exposed else _SHAPES[issuer.master]


def _attributes(issuer: Issuer) -> Template:
    if issuer.is_exposed:
        return HMAC_MASTER_KEY
    return UNDIVERSIFIED_KEY if issuer.scheme == "none" else MASTER_KEY

"""The daemon's own keys, all of one version, whatever an interruption left of them."""

from pathlib import Path

import pytest

from hsm.cmac import service_cmac
from hsm.importing import destroy_key
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from tests.ceremony.backups import conduct, keys_of
from tests.ceremony.rooms import ENROL, Present, room
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps.generate_service_keys import GenerateServiceKeys
from tmsd.config.reserved_keys import CHANNEL_KEY, RECEIPT_KEY, SERVICE_KEYS

STEP = '\n[[steps]]\ndo = "generate-service-keys"\n'


def test_what_is_missing_is_generated_and_what_is_there_stays(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = conduct(room(tmp_path, fresh_token, Present()), ENROL, STEP)
    step = GenerateServiceKeys(do="generate-service-keys")
    assert keys_of(where) == sorted(SERVICE_KEYS)
    found = step.found(where)
    assert found is not None
    with where.token() as token:
        destroy_key(token, KeyReference(CHANNEL_KEY, 1))
        kept = service_cmac(token.find_key(KeyReference(RECEIPT_KEY, 1)), b"")
    assert step.found(where) is None

    assert step.perform(where) == found

    assert keys_of(where) == sorted(SERVICE_KEYS)
    with where.token() as token:
        assert service_cmac(token.find_key(KeyReference(RECEIPT_KEY, 1)), b"") == kept


def test_all_of_a_version_are_generated_once(fresh_token: TokenAddress, tmp_path: Path) -> None:
    where = conduct(room(tmp_path, fresh_token, Present()), ENROL, STEP)

    with pytest.raises(Refused, match="all of the daemon's keys of version 1"):
        conduct(where, STEP)

    conduct(where, STEP + "version = 2\n")
    assert len(keys_of(where)) == 2 * len(SERVICE_KEYS)

"""What a caller may know of key sets: GET /v1/tks/key-sets."""

import pytest

from tests.site.batches import ABSENT, AES128, BATCHES, DES_VISA2, ROTATED, Batch
from tests.site.caller import Caller
from tests.site.changeovers import CHANGING
from tests.site.channels import KEY_SETS, JsonObject
from tmsd.globalplatform.keys import Algorithm, key_check_value
from tmsd.globalplatform.plain_key import PlainKey

ALGORITHMS = {
    "aes128": Algorithm.AES_128,
    "aes192": Algorithm.AES_192,
    "aes256": Algorithm.AES_256,
    "des3": Algorithm.DES2,
}


def described(caller: Caller) -> dict[str, JsonObject]:
    """Return the key sets of the answer by name."""
    return {key_set["name"]: key_set for key_set in caller.get(KEY_SETS).document["key_sets"]}


def test_a_caller_with_all_key_sets_sees_them_in_the_order_of_the_policy(tps: Caller) -> None:
    assert list(described(tps)) == [batch.key_set for batch in (*BATCHES, *CHANGING)]


def test_a_caller_sees_no_key_set_but_its_own(branch: Caller) -> None:
    assert list(described(branch)) == ["aes128"]


@pytest.mark.parametrize("batch", [AES128, DES_VISA2], ids=lambda batch: batch.key_set)
def test_a_key_set_is_described_with_the_check_value_of_its_key(tps: Caller, batch: Batch) -> None:
    check_value = key_check_value(PlainKey(ALGORITHMS[batch.algorithm], batch.master))

    assert described(tps)[batch.key_set] == {
        "name": batch.key_set,
        "scp": f"{batch.scp:02x}",
        "algorithm": batch.algorithm,
        "diversification": batch.diversification,
        "versions": [{"version": 1, "state": "active", "key_check_value": check_value.hex()}],
        "newest_key_version": 1,
    }


def test_every_version_is_listed_with_its_state(tps: Caller) -> None:
    versions = described(tps)[ROTATED.key_set]["versions"]

    assert [(v["version"], v["state"]) for v in versions] == [(1, "retired"), (2, "active")]


def test_a_key_that_the_hsm_lacks_has_no_check_value(tps: Caller) -> None:
    assert described(tps)[ABSENT.key_set]["versions"] == [
        {"version": 1, "state": "active", "key_check_value": None}
    ]

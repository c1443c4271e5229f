"""Against what the host side of another implementation, pySim, made of given inputs.

Where an entry departs from the specifications, it names the clause; there both must differ,
or the note on it is wrong.
"""

from typing import Any

import pytest

from tests.globalplatform.channels import Channel
from tests.globalplatform.key_stores import AES, DES, KeyStore, card_keys
from tests.vectors import Vector, read
from tmsd.globalplatform import put_key, scp02
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Key, Use
from tmsd.globalplatform.put_key import WrappedKey

RUNS = read("pysim_host.json")
AGREEING = [run for run in RUNS if "departs_from" not in run]
DEPARTING = [run for run in RUNS if "departs_from" in run]
PUT_KEYS = [run for run in RUNS if "put_key" in run["inputs"]]
# What pySim does otherwise there is in the card's response or in what it does not wrap at all.
NOT_OF_COMMANDS = {"pysim-scp03-departs-empty-response"}


def _sends_all_keys(run: Vector) -> bool:
    """Say whether PUT KEY begins with the first key, as this host's does."""
    return len(run["inputs"]["put_key"]["keys"]) == 3


def _of_runs(runs: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("run", runs, ids=lambda run: run["id"])


@_of_runs([run for run in AGREEING if "steps" in run["inputs"]])
def test_commands_and_responses_are_those_of_the_run(key_store: KeyStore, run: Vector) -> None:
    channel = _opened(key_store, run)

    assert channel.host_cryptogram.hex() == run["outputs"]["host_cryptogram"]
    assert bytes(channel.external_authenticate).hex() == run["outputs"]["ext_auth"]
    for given, made in zip(run["inputs"]["steps"], run["outputs"]["steps"], strict=True):
        assert channel.wrap(bytes.fromhex(given["plain"])).hex() == made["wrapped"]
        if "response_plain" in given:
            response = bytes.fromhex(made["response_wrapped"])
            channel.unwrap_as(response, bytes.fromhex(given["response_plain"]))


@_of_runs(PUT_KEYS)
def test_new_keys_have_the_ciphertexts_and_check_values_of_the_run(
    key_store: KeyStore, run: Vector
) -> None:
    new_keys = _new_keys(key_store, run)

    for key, made in zip(new_keys, run["outputs"]["put_key"], strict=True):
        assert key.check_value.hex() == made["kcv"]
        # With AES-192, what pySim calls encrypted begins with the length of the key.
        assert key.value.hex() == made["encrypted"][-2 * len(key.value) :]


@_of_runs([run for run in PUT_KEYS if "departs_from" not in run and _sends_all_keys(run)])
def test_put_key_is_that_of_the_run(key_store: KeyStore, run: Vector) -> None:
    asked = run["inputs"]["put_key"]
    des_key_type = 0x80 if asked["keys"][0]["type"] == "des" else None

    command = put_key.command(
        int(asked["version"], 16),
        int(asked["replaces_version"], 16),
        _new_keys(key_store, run),
        des_key_type,
    )

    assert bytes(command).hex() == run["outputs"]["put_key_plain"]
    wrapped = _opened(key_store, run).wrap(bytes(command))
    assert wrapped.hex() == run["outputs"]["put_key_wrapped"]


@_of_runs([run for run in DEPARTING if "steps" in run["inputs"]])
def test_where_a_run_departs_from_the_specification_this_host_does_not_follow(
    key_store: KeyStore, run: Vector
) -> None:
    channel = _opened(key_store, run)
    mine = [bytes(channel.external_authenticate).hex()]
    theirs = [run["outputs"]["ext_auth"]]
    for given, made in zip(run["inputs"]["steps"], run["outputs"]["steps"], strict=True):
        mine.append(channel.wrap(bytes.fromhex(given["plain"])).hex())
        theirs.append(made["wrapped"])

    assert (mine == theirs) is (run["id"] in NOT_OF_COMMANDS)


def _opened(store: KeyStore, run: Vector) -> Channel:
    flat = _flat(run)
    return Channel.opened(flat, card_keys(store, flat, flat["protocol"]))


def _flat(run: Vector) -> Vector:
    inputs: dict[str, Any] = run["inputs"]
    return Vector(
        inputs["keys"]
        | {name: inputs[name] for name in ("i", "host_challenge", "security_level")}
        | {"protocol": inputs["protocol"][-2:], "initialize_update": inputs["init_update_response"]}
    )


def _dek(store: KeyStore, run: Vector) -> Key:
    flat = _flat(run)
    if flat["protocol"] == "03":
        return card_keys(store, flat, "03", Use.DEK)[Role.DEK]
    static = card_keys(store, flat, "02")[Role.DEK]
    context = flat.bytes("initialize_update")[12:20] + flat.bytes("host_challenge")
    return scp02.data_encryption_key(static, context)


def _new_keys(store: KeyStore, run: Vector) -> list[WrappedKey]:
    dek = _dek(store, run)
    lengths = {"aes": AES, "des": DES}
    return [
        store.wrapped(
            dek, lengths[given["type"]][len(given["key"]) // 2], bytes.fromhex(given["key"])
        )
        for given in run["inputs"]["put_key"]["keys"]
    ]

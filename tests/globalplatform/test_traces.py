"""Whole channels of every protocol, command by command and response by response."""

from tests.globalplatform.channels import Channel
from tests.globalplatform.key_stores import KeyStore, card_keys
from tests.vectors import Vector, each

PUBLISHED = "scp01_traces.json scp01_traces_encrypted.json scp02_traces.json scp03_traces.json"
GENERATED = "generated_scp01_scp02_traces.json generated_scp03_s16_traces.json"


@each(PUBLISHED)
def test_a_channel_repeats_the_published_trace(key_store: KeyStore, vector: Vector) -> None:
    _repeat(key_store, vector)


@each(GENERATED)
def test_a_channel_repeats_the_generated_trace(key_store: KeyStore, vector: Vector) -> None:
    _repeat(key_store, vector)


def _repeat(key_store: KeyStore, vector: Vector) -> None:
    channel = Channel.opened(vector, card_keys(key_store, vector, vector["protocol"]))
    if "host_cryptogram" in vector:
        assert channel.host_cryptogram.hex() == vector["host_cryptogram"]
    if "external_authenticate" in vector:
        assert bytes(channel.external_authenticate).hex() == vector["external_authenticate"]
    for step in vector["steps"]:
        wrapped = channel.wrap(bytes.fromhex(step["plain"]))
        if "wrapped" in step:
            assert wrapped.hex() == step["wrapped"]
        else:
            # Of this command, the source does not print the C-MAC.
            assert wrapped[5:-8].hex() == step["ciphertext"]
        if "response_wrapped" in step:
            channel.unwrap_as(
                bytes.fromhex(step["response_wrapped"]), bytes.fromhex(step["response_plain"])
            )

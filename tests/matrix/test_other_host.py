"""Another implementation's host, yubikey-manager, beside the worker: both say the same to a card.

It speaks SCP03 with AES-128, 8-byte challenges and all protection. It encrypts an empty data
field, which Amendment D, 6.2.6 excludes, so that only commands with data can be compared.
"""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yubikit.core.smartcard import ApduFormatProcessor, ScpProcessor, ShortApduFormatter
from yubikit.core.smartcard.scp import ScpState, StaticKeys

from tests.matrix.channels import CALLER, Channel, cuid
from tests.matrix.combinations import ISSUERS
from tests.matrix.issuers import Issuer
from tests.pcsc import tlv
from tests.virtual_token.card import Card
from tests.virtual_token.host import Transmitter, scp03_keys
from tmsd.globalplatform import scp03
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey
from tmsd.vault import card_messages
from tmsd.worker import opening
from tmsd.worker.context import Context

ALL_PROTECTION = 0x33
OK = 0x9000
STORE_DATA, GET_STATUS = 0xE2, 0xF2
CHALLENGE = st.binary(min_size=8, max_size=8)
KEY = st.binary(min_size=16, max_size=16)

each_issuer = pytest.mark.parametrize(
    "issuer", [i for i in ISSUERS if i.algorithm == "aes128"], ids=lambda issuer: issuer.name
)
each_i = pytest.mark.parametrize("i", [0x60, 0x70])


@dataclass(frozen=True, slots=True)
class Listener:
    """Stands between the other host and the card, and has the worker say the same.

    Each command of the other host must be the one that the worker says next, and the worker
    must understand the card's response, as the other host does.
    """

    channel: Channel
    plain: list[bytes]
    understood: list[bytes]

    def transmit(self, apdu: bytes) -> bytes:
        """Pass the other host's command on if it is the worker's, and the response back."""
        (wrapped,) = self.channel.wrap(self.plain.pop(0))
        assert apdu == wrapped
        answer = self.channel.card.transmit(apdu)
        self.understood.append(self.channel.unwrap(answer).responses[0].response)
        return answer


@dataclass(frozen=True, slots=True)
class TwoHosts:
    """One card, and two hosts in the same channel to it."""

    other: ScpProcessor
    listener: Listener

    def send(self, ins: int, p1: int, p2: int, data: bytes) -> bytes:
        """Have both say the command; return what both take for the response."""
        self.listener.plain.append(bytes([0x80, ins, p1, p2, len(data)]) + data)
        answer, status = self.other.send_apdu(0x80, ins, p1, p2, data, 0)
        response: bytes = answer + status.to_bytes(2, "big")
        assert self.listener.understood[-1] == response
        return response


def _both(worker: Context, issuer: Issuer, card: Card) -> TwoHosts:
    """Open a channel with two hosts that use one challenge; compare all they say until then."""
    issued = opening.issue_challenge(worker, card_messages.IssueChallenge(CALLER, 8))
    heard: list[bytes] = []

    def initialize_update(cla: int, ins: int, p1: int, p2: int, data: bytes) -> bytes:
        heard.append(card.transmit(bytes([cla, ins, p1, p2, len(data)]) + data + b"\x00"))
        return heard[0][:-2]

    state, cryptogram = ScpState.scp03_init(
        initialize_update, scp03_keys(card.profile), host_challenge=issued.host_challenge
    )
    presented = card_messages.Card(heard[0], ticket=issued.ticket, cuid=cuid(card))
    request = card_messages.OpenChannel(CALLER, issuer.name, presented, ALL_PROTECTION)
    opened = opening.open_channel(worker, request)
    assert opened.host_cryptogram == cryptogram

    def authenticate(apdu: bytes) -> bytes:
        assert apdu == opened.external_authenticate
        return card.transmit(apdu)

    formatter = ShortApduFormatter()
    opener = ApduFormatProcessor(Transmitter(authenticate), formatter)
    authentication = ScpProcessor(opener, formatter, state).send_apdu(
        0x84, 0x82, ALL_PROTECTION, 0x00, cryptogram, 0, encrypt=False
    )
    assert authentication == (b"", OK)
    listener = Listener(Channel(worker, card, opened, opened.session), [], [])
    through = ApduFormatProcessor(Transmitter(listener.transmit), formatter)
    return TwoHosts(ScpProcessor(through, formatter, state), listener)


@each_i
@each_issuer
def test_commands_of_both_are_equal_and_responses_understood_alike(
    worker: Context, issuer: Issuer, i: int
) -> None:
    hosts = _both(worker, issuer, issuer.card(i))

    assert hosts.send(STORE_DATA, 0x90, 0x00, bytes.fromhex("df20021234")).hex() == "9000"
    assert hosts.send(GET_STATUS, 0x80, 0x02, b"\x4f\x00").hex().startswith("e3134f08")
    assert hosts.send(GET_STATUS, 0x40, 0x02, b"\x4f\x00").hex() == "6a88"
    assert hosts.send(0x0E, 0x00, 0x00, bytes(16)).endswith(b"\x90\x00")


@each_i
@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5))
def test_whatever_is_stored_both_say_it_alike(worker: Context, i: int, values: list[bytes]) -> None:
    issuer = next(issuer for issuer in ISSUERS if issuer.name == "scp03-aes128-kdf3-kdd")
    hosts = _both(worker, issuer, issuer.card(i))

    for number, value in enumerate(values):
        stored = tlv.encode(0xDF20 + number, value)
        assert hosts.send(STORE_DATA, 0x90, 0x00, stored).hex() == "9000"


@given(enc=KEY, mac=KEY, host=CHALLENGE, card=CHALLENGE)
def test_both_derive_the_same_session_keys(
    enc: bytes, mac: bytes, host: bytes, card: bytes
) -> None:
    static = {
        Role.ENC: PlainKey(Algorithm.AES_128, enc),
        Role.MAC: PlainKey(Algorithm.AES_128, mac),
    }
    theirs = StaticKeys(enc, mac).derive(host + card)

    ours = scp03.session_keys(static, host + card, 0x70, SecurityLevel(ALL_PROTECTION))

    assert ours.enc is not None
    assert ours.rmac is not None
    assert ours.enc.value == theirs.key_senc
    assert ours.mac.value == theirs.key_smac
    assert ours.rmac.value == theirs.key_srmac

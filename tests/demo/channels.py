"""Chapter two: secure channels, opened and used, with cards that check every command."""

import secrets

from tests.demo.cards import CardInReader
from tests.demo.findings import Findings
from tests.demo.screen import Screen
from tests.demo.tps import SUCCESS, SecureChannel, card_in, open_channel, present
from tmsd.client.tks import TokenKeyService
from tmsd.client.values import IssuedChallenge, PresentedCard
from tmsd.globalplatform import initialize_update

STORED_TAG = 0xDF20
_PRIVATE_LENGTH = 32
GET_DATA = bytes.fromhex("80CADF2000")
_SECURE_MESSAGING_INCORRECT = bytes.fromhex("6988")
_SECURITY_STATUS_NOT_SATISFIED = bytes.fromhex("6982")


async def open_and_use(
    screen: Screen, findings: Findings, service: TokenKeyService, card: CardInReader
) -> bytes:
    """Open a channel, store random bytes on the card and read them back; return them."""
    key_set = card.issued.key_set
    name = f"SCP{key_set.scp:02x} {key_set.algorithm}"
    screen.step(f"{name}: a secure channel, opened and used")
    with card_in(card.reader) as connected:
        screen.say(
            "The HSM makes a challenge; the card answers with one of its own, and with a"
            " cryptogram that only the keys of this card could make."
        )
        presented = await present(service, connected)
        show_handshake(screen, presented)
        screen.say(
            "tmsd derives this card's keys and the session keys inside the HSM, checks the"
            " cryptogram, and gives its own. The card checks that one."
        )
        channel = await open_channel(service, connected, presented)
        session = channel.session
        screen.value("key set", f"{session.key_set}, found by what the card said")
        screen.value("host cryptogram", session.host_cryptogram)
        screen.value("to the card", session.external_authenticate)
        screen.value("session", f"{len(session.state)} characters, sealed by tmsd")
        findings.require_equal("key set", key_set.name, session.key_set)
        findings.seen(f"{name}, channel at level 03", "open, both sides authenticated")
        private = await _store(screen, findings, service, channel)
        await read_back(screen, findings, channel, private)
    kept = card.issued.memory.data_object(STORED_TAG)
    findings.require_equal("what is in the card's memory", private, kept)
    findings.seen(f"{name}, data under C-MAC and C-ENC", "stored and read back")
    return private


async def change_a_command(
    screen: Screen, findings: Findings, service: TokenKeyService, card: CardInReader
) -> None:
    """Flip one bit of a wrapped command on its way to the card."""
    screen.step("Somebody between tmsd and the card changes one bit")
    before = card.issued.memory.data_object(STORED_TAG)
    with card_in(card.reader) as connected:
        channel = await open_channel(service, connected, await present(service, connected))
        wrapped = await channel.wrap(_store_data(secrets.token_bytes(_PRIVATE_LENGTH)))
        changed = bytearray(wrapped)
        place = 5 + secrets.randbelow(_PRIVATE_LENGTH)
        changed[place] ^= 1 << secrets.randbelow(8)
        screen.value("from tmsd", wrapped)
        screen.value(
            "to the card",
            f"the same, but byte {place} is {changed[place]:02x} and not {wrapped[place]:02x}",
        )
        answers = connected.transmit(bytes(changed)), connected.transmit(wrapped)
    screen.value("the card answers", answers[0])
    screen.value("", f"{answers[1].hex()}, when the right command follows")
    refusals = (_SECURE_MESSAGING_INCORRECT, _SECURITY_STATUS_NOT_SATISFIED)
    findings.require_equal("the card's answers", refusals, answers)
    findings.require_equal("memory", before, card.issued.memory.data_object(STORED_TAG))
    findings.seen("A bit changed on the way", "card stores nothing, closes the channel (6988)")


async def read_again(
    screen: Screen,
    findings: Findings,
    service: TokenKeyService,
    card: CardInReader,
    stored: bytes,
) -> None:
    """Open a channel to a card of before, and find there what was stored."""
    screen.step("After all this, a card of before")
    screen.say("No refusal has harmed the service or an honest card:")
    with card_in(card.reader) as connected:
        presented = await present(service, connected)
        show_handshake(screen, presented)
        channel = await open_channel(service, connected, presented)
        await read_back(screen, findings, channel, stored)
    findings.seen("A new channel, after the refusals", "open, and the data are still there")


def show_handshake(screen: Screen, presented: PresentedCard) -> None:
    """Show the challenges and the cryptogram that a card presents itself with."""
    card = initialize_update.parse(presented.initialize_update)
    challenge = presented.challenge
    if isinstance(challenge, IssuedChallenge):
        screen.value("host challenge", f"{challenge.host_challenge.hex()}, made by the HSM")
    else:
        screen.value("host challenge", f"{challenge.hex()}, made by the TPS")
    screen.value("card number", card.diversification_data)
    screen.value("key version", f"{card.key_version:02x}")
    screen.value("card challenge", card.card_challenge)
    screen.value("card cryptogram", card.card_cryptogram)


async def read_back(
    screen: Screen, findings: Findings, channel: SecureChannel, stored: bytes
) -> None:
    """Read what was stored on the card, over a channel without R-MAC."""
    found = await channel.send("GET DATA", GET_DATA)
    screen.value("read back", found)
    findings.require_equal("what is read back", data_object(stored), found)


async def _store(
    screen: Screen, findings: Findings, service: TokenKeyService, channel: SecureChannel
) -> bytes:
    """Store random bytes on the card, and return them."""
    screen.say(
        f"{_PRIVATE_LENGTH} random bytes of the HSM go to the card (STORE DATA), authenticated"
        " (C-MAC) and encrypted (C-ENC) by tmsd, and are read back (GET DATA). The card refuses"
        " whatever is not protected just so."
    )
    private = await service.random(_PRIVATE_LENGTH)
    command = _store_data(private)
    wrapped = await channel.wrap(command)
    screen.value("command", command)
    screen.value("wrapped", wrapped)
    findings.require_equal("data on the wire", expected=False, happened=private in wrapped)
    findings.require_equal("answer of the card", SUCCESS, channel.card.transmit(wrapped))
    return private


def _store_data(value: bytes) -> bytes:
    """STORE DATA of one data object (GlobalPlatform Card Specification 2.3.1, 11.11)."""
    data = data_object(value)
    return bytes([0x80, 0xE2, 0x90, 0x00, len(data)]) + data


def data_object(value: bytes) -> bytes:
    """Return the data object that stores a value: tag, length, value."""
    return STORED_TAG.to_bytes(2) + bytes([len(value)]) + value

"""Chapter three, second half: what a card proves, by its responses and by its presence."""

import secrets

from tests.demo.cards import CardInReader
from tests.demo.channels import GET_DATA, data_object
from tests.demo.findings import Findings
from tests.demo.screen import Screen
from tests.demo.tps import SUCCESS, card_in, open_channel, present
from tests.virtual_token.card import PROVE_PRESENCE
from tmsd.client.tks import EVERYTHING, TokenKeyService


async def unwrap_responses(
    screen: Screen, findings: Findings, service: TokenKeyService, card: CardInReader, stored: bytes
) -> None:
    """Have one response freed of R-MAC and R-ENC, and one refused that was changed."""
    screen.step("What the card answers, authenticated and encrypted")
    screen.say(
        "At security level 33 the card protects its answers too: encrypted (R-ENC), and with a"
        " MAC (R-MAC). tmsd checks and decrypts them."
    )
    with card_in(card.reader) as connected:
        channel = await open_channel(
            service, connected, await present(service, connected), EVERYTHING
        )
        answer = connected.transmit(await channel.wrap(GET_DATA))
        screen.value("the card answers", answer)
        unwrapped = await channel.unwrap(answer)
        screen.value("unwrapped", unwrapped.data)
        screen.value("an R-MAC vouches", "yes" if unwrapped.protected else "no")
        findings.require_equal("data on the wire", expected=False, happened=stored in answer)
        found = (unwrapped.data, unwrapped.status, unwrapped.protected)
        findings.require_equal("the response", (data_object(stored), SUCCESS, True), found)
        findings.seen("A response under R-MAC and R-ENC", "verified, decrypted, as it was stored")
        screen.say("The next answer is changed by one bit on its way back:")
        answer = connected.transmit(await channel.wrap(GET_DATA))
        changed = bytearray(answer)
        place = secrets.randbelow(len(answer) - len(SUCCESS))
        changed[place] ^= 1 << secrets.randbelow(8)
        screen.value("from the card", answer)
        screen.value(
            "to tmsd",
            f"the same, but byte {place} is {changed[place]:02x}, not {answer[place]:02x}",
        )
        await findings.refused(
            "A response changed on the way", ["session-closed"], channel.unwrap(bytes(changed))
        )


async def prove_presence(
    screen: Screen,
    findings: Findings,
    service: TokenKeyService,
    card: CardInReader,
    other: CardInReader,
) -> None:
    """Have a card say what was encrypted for it alone, and ask another one the same."""
    screen.step("Is it this card that is here?")
    screen.say(
        "The HSM makes a challenge and encrypts it under the card's DEK. Who can say what it was"
        " holds that key. The card is one of those that were fresh; the command that asks it is"
        " this virtual card's own (PROVE PRESENCE)."
    )
    with card_in(card.reader) as connected:
        channel = await open_channel(service, connected, await present(service, connected))
        made = await channel.challenge_presence()
        screen.value("challenge", f"{made.challenge.hex()}, made by the HSM")
        screen.value("to the card", f"{made.encrypted.hex()}, under its DEK")
        answer = await channel.send("PROVE PRESENCE", _prove_presence(made.encrypted))
        screen.value("the card answers", answer)
    findings.require_equal("the card's answer", made.challenge, answer)
    findings.seen("Proof of presence", "the card knows the challenge")
    screen.say("The other one is asked the same:")
    with card_in(other.reader) as connected:
        channel = await open_channel(service, connected, await present(service, connected))
        answer = await channel.send("PROVE PRESENCE", _prove_presence(made.encrypted))
        screen.value("the card answers", answer)
    is_same = answer == made.challenge
    findings.require_equal("another card knows it", expected=False, happened=is_same)
    findings.seen("The same, asked of another card", "it does not know")


def _prove_presence(encrypted: bytes) -> bytes:
    """PROVE PRESENCE of 16 bytes (tests/virtual_token/card.py)."""
    return bytes([0x80, PROVE_PRESENCE, 0x00, 0x00, len(encrypted)]) + encrypted + b"\x00"

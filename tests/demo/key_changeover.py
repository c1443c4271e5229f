"""Chapter three: cards are changed over to other keys, which tmsd derives and wraps itself."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from tests.demo.anybody import authenticate
from tests.demo.cards import CardInReader
from tests.demo.channels import read_back, show_handshake
from tests.demo.findings import Findings
from tests.demo.issuer import FACTORY_KEY, IssuedKeySet
from tests.demo.screen import Screen
from tests.demo.site import Site
from tests.demo.tps import SUCCESS, Card, SecureChannel, card_in, open_channel, present
from tmsd.client.tks import C_MAC_AND_C_ENC, EVERYTHING, TokenKeyService

_NAMES = ("ENC", "MAC", "DEK")
_AUTHENTICATION_FAILED = bytes.fromhex("6300")
_REFERENCED_DATA_NOT_FOUND = bytes.fromhex("6a88")
_SETTING = "allow_key_material_in_worker = true"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where cards are changed over, and all that is needed there."""

    screen: Screen
    findings: Findings
    service: TokenKeyService
    site: Site


@dataclass(frozen=True, slots=True)
class _Target:
    """The keys that a card is to have: a version of a key set, added or in place of others."""

    key_set: IssuedKeySet
    version: int
    mode: Literal["add", "replace"]

    def __str__(self) -> str:
        return f"{self.key_set.name}:{self.version}"


async def go_on(desk: Desk, card: CardInReader, left_behind: CardInReader, stored: bytes) -> None:
    """Change an SCP03 card over to the next version, and try its old keys."""
    screen, findings = desk.screen, desk.findings
    target = _next(card)
    old_version = card.issued.key_set.masters[0].version
    screen.step(f"An SCP03 card goes on from key version {old_version} to {target.version}")
    screen.say(
        "The TPS says which version, and no more. tmsd derives the card's new keys from the new"
        " master key and encrypts them under the card's own data encryption key (DEK), all of it"
        " inside the HSM: what comes out is PUT KEY, for this card alone."
    )
    with card_in(card.reader) as connected:
        channel = await _opened(desk, connected, EVERYTHING)
        await _change(desk, card, channel, target)
    _require_exposure(desk, card, exposed=None)
    screen.say("The new keys open a channel, and what was stored before is still on the card:")
    with card_in(card.reader) as connected:
        presented = await present(desk.service, connected)
        show_handshake(screen, presented)
        channel = await open_channel(desk.service, connected, presented)
        findings.require_equal("key version", target.version, channel.session.key_version)
        await read_back(screen, findings, channel, stored)
        findings.seen(f"A channel with the keys of {target}", "open, and the data are still there")
        screen.say(f"Asked for a channel with its keys of version {old_version}:")
        _require_gone(desk, connected, old_version)
    findings.seen(f"Keys of version {old_version}, asked of the card", "not there any more (6a88)")
    screen.say(
        f"A copy of the card, made while it had its old keys, says that they are version"
        f" {target.version}:"
    )
    with card_in(left_behind.reader) as connected:
        presented = await present(desk.service, connected)
    show_handshake(screen, presented)
    await findings.refused(
        "The old keys under the new version",
        ["card-cryptogram-mismatch"],
        desk.service.open_session(presented),
    )


async def refuse_triple_des(desk: Desk, card: CardInReader) -> None:
    """Ask for what SoftHSM cannot do inside, from a key set without the exception."""
    screen, findings = desk.screen, desk.findings
    target = _next(card)
    screen.step("An SCP02 card, and an HSM that does not wrap with triple DES")
    screen.say(
        f"PUT KEY of SCP02 needs keys wrapped under triple DES, which SoftHSM does not do."
        f" {card.issued.key_set.name} may go on to version {target.version}, but nothing allows"
        " its keys out of the HSM:"
    )
    before = card.issued.keyring
    with card_in(card.reader) as connected:
        channel = await _opened(desk, connected)
        await findings.refused(
            "3DES keys that would have to leave the HSM",
            ["mechanism-unavailable"],
            channel.put_key(target.version, target.mode),
        )
    detail = findings.problems[-1].detail
    for named in ("CKM_DES3_ECB", f"key_sets.{card.issued.key_set.name}", _SETTING):
        findings.require_equal(f"{named} in the message", expected=True, happened=named in detail)
    findings.require_equal("the card's keys", before, card.issued.keyring)
    findings.seen("The message of this refusal", "names the mechanism, and the setting to decide")


async def allow_triple_des(desk: Desk, card: CardInReader) -> None:
    """Change an SCP02 card over where the policy makes the exception, and say what it costs."""
    target = _next(card)
    desk.screen.step("The same, where the policy makes an exception")
    desk.screen.say(
        f'For {card.issued.key_set.name} policy.toml says "{_SETTING}". tmsd then reads this'
        " card's three new keys into the memory of its worker, and has the HSM encrypt them like"
        " any data: FOR A MOMENT THEY ARE OUTSIDE THE HSM, AND WHOEVER READS THAT MEMORY READS"
        " THEM. The master key and the card's DEK stay inside. With an HSM that wraps with triple"
        " DES none of this is needed."
    )
    with card_in(card.reader) as connected:
        channel = await _opened(desk, connected)
        await _change(desk, card, channel, target)
    _require_exposure(desk, card, exposed=True)
    await _try_new_keys(desk, card, target)


async def take_over(
    desk: Desk, cards: tuple[CardInReader, CardInReader], key_set: IssuedKeySet
) -> None:
    """Give fresh cards, which everybody can open, keys of their own."""
    screen, findings = desk.screen, desk.findings
    target = _Target(key_set, key_set.masters[1].version, "add")
    screen.step("Fresh cards, with the keys that everybody knows")
    screen.say(
        "Cards come from their maker with the keys 40 41 42 ... 4F, under key version ff, all of"
        " them the same. Whoever can read the maker's manual opens them. So does this program, by"
        " itself, without tmsd:"
    )
    _try_factory_keys(desk, cards, SUCCESS)
    findings.seen("40...4F, tried on two fresh cards", "opens both (9000)")
    screen.say(
        f"Key set {cards[0].issued.key_set.name} leads to {target} and nowhere else. Each card"
        " gets keys of its own, and its initial keys go with the first complete set that is added:"
    )
    for card in cards:
        with card_in(card.reader) as connected:
            await _change(desk, card, await _opened(desk, connected, EVERYTHING), target)
        _require_exposure(desk, card, exposed=None)
        await _try_new_keys(desk, card, target)
    screen.say("Anybody tries again:")
    _try_factory_keys(desk, cards, _AUTHENTICATION_FAILED)
    findings.seen("40...4F, tried on them afterwards", "opens neither (6300)")
    one, other = (card.issued.check_values(target.version) for card in cards)
    findings.require_equal("keys that both cards have", set(), set(one) & set(other))


async def _opened(desk: Desk, card: Card, security_level: int = C_MAC_AND_C_ENC) -> SecureChannel:
    presented = await present(desk.service, card)
    return await open_channel(desk.service, card, presented, security_level)


async def _change(desk: Desk, card: CardInReader, channel: SecureChannel, target: _Target) -> None:
    """Bring the new keys to the card, and compare check values from three sides."""
    screen, findings, issued = desk.screen, desk.findings, card.issued
    old_version = channel.session.key_version
    before = issued.check_values(old_version)
    change = await channel.put_key(target.version, target.mode, target.key_set.name)
    screen.value("PUT KEY", change.apdu)
    answer = channel.card.transmit(change.apdu)
    screen.value("the card answers", answer)
    await channel.confirm_put_key(answer)
    screen.value("tmsd", "has checked the answer, and confirms")
    told, held = list(change.key_check_values), issued.check_values(target.version)
    computed = target.key_set.card_check_values(issued.profile.kdd, target.version)
    screen.table(
        ("KEY", "BEFORE", "KCV BY TMSD", "ON THE CARD", "BY THE ISSUER"),
        [
            (name, *(value.hex() for value in values))
            for name, *values in zip(_NAMES, before, told, held, computed, strict=True)
        ],
    )
    findings.require_equal("KCVs on the card", told, held)
    findings.require_equal("KCVs by the issuer", told, computed)
    changed = f"{issued.key_set.name}:{old_version} to {target}"
    findings.seen(f"KCVs of {changed}", "tmsd, the card and the issuer have the same")


async def _try_new_keys(desk: Desk, card: CardInReader, target: _Target) -> None:
    """Open a channel with the new keys, and require that the old ones are gone."""
    with card_in(card.reader) as connected:
        session = (await _opened(desk, connected)).session
        found = f"{session.key_set}:{session.key_version}"
        desk.findings.require_equal("keys of the new channel", str(target), found)
        _require_gone(desk, connected, card.issued.key_set.masters[0].version)
    desk.findings.seen(f"A channel with the keys of {target}", "open; the old keys are gone (6a88)")


def _require_gone(desk: Desk, card: Card, version: int) -> None:
    """Ask the card for a channel with keys that it should not have any more."""
    answer = card.transmit(bytes([0x80, 0x50, version, 0x00, 0x08]) + bytes(8) + b"\x00")
    desk.screen.value("the card answers", f"{answer.hex()} for key version {version:02x}")
    desk.findings.require_equal("its answer", _REFERENCED_DATA_NOT_FOUND, answer)


def _require_exposure(desk: Desk, card: CardInReader, *, exposed: bool | None) -> None:
    """Find the card's PUT KEY in the audit log, and show what it says of key material."""
    kdd = card.issued.profile.kdd.hex()
    record = _last_record(desk.site, kdd)
    details: dict[str, Any] = record["details"]
    told = {name: record[name] for name in ("operation", "outcome", "key_set", "key_version")}
    desk.screen.say("On record, in the audit log:")
    desk.screen.output([json.dumps(told), f"details {json.dumps(details, sort_keys=True)}"])
    happened = details.get("key_material_in_worker")
    desk.findings.require_equal("key_material_in_worker", exposed, happened)
    name = f"Audit record of PUT KEY for {card.issued.key_set.name}"
    said = "says key_material_in_worker" if exposed else "no key_material_in_worker"
    desk.findings.seen(name, said)


def _last_record(site: Site, kdd: str) -> dict[str, Any]:
    """Return the record of the PUT KEY that was made last for a card.

    Raises:
        LookupError: there is none.
    """
    for line in reversed(site.audit_log.read_text().splitlines()):
        record: dict[str, Any] = json.loads(line)
        if (record["operation"], record["diversification_data"]) == ("tks.put-key", kdd):
            return record
    raise LookupError(f"the audit log has no PUT KEY for the card {kdd}")


def _try_factory_keys(desk: Desk, cards: tuple[CardInReader, CardInReader], verdict: bytes) -> None:
    """Try on each card what its maker has published, and require this answer of it."""
    for card in cards:
        with card_in(card.reader) as connected:
            answer = authenticate(connected, FACTORY_KEY)
        version = card.issued.keyring.groups[0].version
        key_check_value = card.issued.check_values(version)[0].hex()
        told = f"{answer.hex()} to 40...4F; its ENC of version {version:02x}: {key_check_value}"
        desk.screen.value(card.reader, told)
        desk.findings.require_equal("verdict of the card", verdict, answer)


def _next(card: CardInReader) -> _Target:
    """Return the next version of the card's own key set."""
    key_set = card.issued.key_set
    return _Target(key_set, key_set.masters[1].version, "replace")

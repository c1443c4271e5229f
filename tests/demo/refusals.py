"""Chapter four: what goes wrong, and the message that whoever meets it sees."""

import secrets
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.demo.cards import CardInReader, Cards
from tests.demo.channels import show_handshake
from tests.demo.findings import Deviation, Findings
from tests.demo.screen import Screen
from tests.demo.site import Site, SiteError, started
from tests.demo.tps import card_in, initialize_update, open_channel, present
from tmsd.client.connection import Connection, tls_context
from tmsd.client.tks import TokenKeyService
from tmsd.client.values import PresentedCard
from tmsd.quickstart.certificates import Identity, certificate_authority, client_identity

_PUT_KEY = 0xD8

# By the byte where the protocol's number should be; of 256 values, 253 are no protocol.
_MET_BY_RANDOM_BYTES = (
    "protocol-mismatch",
    "initialize-update-invalid",  # SCP01 or SCP02: the length is SCP03's
    "key-set-ambiguous",  # SCP03: no key set has such a key version
    "card-cryptogram-mismatch",  # SCP03, and some key set has
)


async def wrong_master_key(
    screen: Screen, findings: Findings, service: TokenKeyService, card: CardInReader
) -> None:
    """Present a card whose keys come from another master key."""
    screen.step("A card with the keys of another master key")
    screen.say(
        "It says that it belongs to the same key set and version. Its cryptogram cannot be right."
    )
    with card_in(card.reader) as connected:
        presented = await present(service, connected)
    show_handshake(screen, presented)
    await findings.refused(
        "Card of another master key",
        ["card-cryptogram-mismatch"],
        service.open_session(presented),
    )


async def replays(
    screen: Screen,
    findings: Findings,
    service: TokenKeyService,
    card: CardInReader,
    replaying: CardInReader,
) -> None:
    """Send a request twice, play a recorded answer, and bring one's own challenge."""
    screen.step("Replays")
    screen.say("A channel is opened, and the same request is sent once more:")
    with card_in(card.reader) as connected:
        presented = await present(service, connected)
        await open_channel(service, connected, presented)
    show_handshake(screen, presented)
    await findings.refused(
        "The same request a second time", ["challenge-used"], service.open_session(presented)
    )
    screen.say(
        "A device in the reader has recorded a card's right answer, and plays it to a new"
        " challenge:"
    )
    with card_in(replaying.reader) as connected:
        recorded = await present(service, connected)
        await open_channel(service, connected, recorded)
        played = await present(service, connected)
    show_handshake(screen, played)
    findings.require_equal("the answer", recorded.initialize_update, played.initialize_update)
    await findings.refused(
        "A recorded answer to a new challenge",
        ["card-cryptogram-mismatch"],
        service.open_session(played),
    )
    screen.say("Somebody with a good card brings a challenge that the HSM did not make:")
    with card_in(card.reader) as connected:
        challenge = secrets.token_bytes(8)
        own = PresentedCard(initialize_update(connected, challenge), challenge)
    show_handshake(screen, own)
    await findings.refused(
        "A challenge of the caller's own", ["challenge-not-issued"], service.open_session(own)
    )


async def garbage(
    screen: Screen, findings: Findings, service: TokenKeyService, cards: Cards
) -> None:
    """Present what broken cards answer."""
    screen.step("Garbage from the card")
    screen.say("Random bytes of the right length; which refusal they meet depends on them:")
    await _garbled(
        screen,
        findings,
        service,
        cards.noisy,
        _MET_BY_RANDOM_BYTES,
    )
    screen.say("A right answer without its last byte, and one with a byte too much:")
    for card in (cards.truncating, cards.lengthening):
        await _garbled(screen, findings, service, card, ["initialize-update-invalid"])


async def put_key(
    screen: Screen, findings: Findings, service: TokenKeyService, card: CardInReader
) -> None:
    """Ask for PUT KEY under secure messaging."""
    screen.step("A TPS wants to put keys of its own on a card")
    screen.say(
        "tmsd makes PUT KEY itself, with keys from the HSM. A TPS that could send one with keys"
        " that it knows would own the card, so this command is not wrapped for anybody."
    )
    command = bytes([0x80, _PUT_KEY, 0x00, 0x81, 0x10]) + secrets.token_bytes(16)
    screen.value("command", command)
    with card_in(card.reader) as connected:
        channel = await open_channel(service, connected, await present(service, connected))
        await findings.refused("PUT KEY", ["command-not-allowed"], channel.wrap(command))


async def unknown_clients(screen: Screen, findings: Findings, site: Site, directory: Path) -> None:
    """Connect with a certificate that is not in the policy, with a foreign one, with none."""
    screen.step("Clients that nobody knows")
    screen.say("A certificate of the right CA, but of a key that the policy does not name:")
    unnamed = client_identity(_authority(site), "somebody")
    screen.value("SHA-256 of its key", unnamed.public_key_sha256)
    async with Connection(site.url, _presenting(site, directory, unnamed)) as connection:
        await findings.refused(
            "Certificate that the policy does not name",
            ["caller-unknown"],
            TokenKeyService(connection).random(16),
        )
    screen.say("A certificate of another CA:")
    foreign = client_identity(certificate_authority("another CA"), "tps-demo")
    async with Connection(site.url, _presenting(site, directory, foreign)) as connection:
        await findings.cut_off("Certificate of another CA", TokenKeyService(connection).random(16))
    screen.say("No certificate at all:")
    anonymous = ssl.create_default_context(cafile=site.tls("ca.pem"))
    async with Connection(site.url, anonymous) as connection:
        await findings.cut_off("No certificate", TokenKeyService(connection).random(16))


async def wrong_pin(screen: Screen, findings: Findings, site: Site) -> None:
    """Start a second tmsd whose PIN file holds another PIN."""
    screen.step("A wrong PIN for the HSM")
    screen.say(
        "A second tmsd is started on the same HSM, with a PIN file of its own that holds another"
        " PIN. It must not start: trying on would lock a real HSM."
    )
    async with started(site.with_wrong_pin()) as daemon:
        screen.command(daemon.command)
        is_ready = await daemon.is_ready()
        screen.output(daemon.log.splitlines())
        if is_ready:
            raise Deviation("tmsd with a wrong PIN", "it does not start", "it serves")
        exit_code = await daemon.exit_code()
        screen.value("exit code", str(exit_code))
        findings.require_equal("exit code", 1, exit_code)
        reasons = [line for line in daemon.log.splitlines() if "Pin" in line or "PIN" in line]
        findings.require_equal("lines that blame the PIN", 1, len(reasons))
    findings.seen("tmsd with a wrong PIN", "does not start, says why, exit code 1")
    screen.say(
        "The token remembers it, and nobody logs in with any PIN until somebody who knows why says"
        " that one try is allowed."
    )
    unlatch = ("hsm", "unlatch", "--yes", "--config", f"{site.directory.name}/tmsd.toml")
    done = site.tmsctl(*unlatch)
    screen.command(done.command)
    screen.output(done.output.splitlines())
    findings.require_equal("exit code", 0, done.exit_code)
    findings.seen("tmsctl hsm unlatch", "one try is allowed")


async def _garbled(
    screen: Screen,
    findings: Findings,
    service: TokenKeyService,
    card: CardInReader,
    codes: Sequence[str],
) -> None:
    with card_in(card.reader) as connected:
        presented = await present(service, connected)
    screen.value("the card answers", presented.initialize_update)
    await findings.refused(
        f"A card that {card.issued.nature}", codes, service.open_session(presented)
    )


def _authority(site: Site) -> Identity:
    """Return the site's own CA."""
    key = load_pem_private_key(site.tls("ca.key").read_bytes(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise SiteError("the site's CA has no EC key")
    return Identity(key, x509.load_pem_x509_certificate(site.tls("ca.pem").read_bytes()))


def _presenting(site: Site, directory: Path, identity: Identity) -> ssl.SSLContext:
    """Return TLS settings that trust the site and present an identity."""
    certificate, private_key = directory / "client.pem", directory / "client.key"
    certificate.write_bytes(identity.certificate_pem)
    private_key.write_bytes(identity.private_key_pem)
    return tls_context(site.tls("ca.pem"), certificate, private_key)

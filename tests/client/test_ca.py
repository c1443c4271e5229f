"""The client's calls of a certificate authority against a real site."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from tests.site.authority import CA
from tests.site.batches import AES128
from tests.site.certificates import csr
from tests.site.channels import OK, initialize_update
from tests.site.daemon import wait_until
from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import TPS
from tests.virtual_token.enrollment import READ_OBJECT, START_EC_ENROLLMENT
from tmsd.client.ca import CertificateAuthority
from tmsd.client.certificates import CardKey, Reason, Status, WantedCertificate
from tmsd.client.connection import Connection, tls_context
from tmsd.client.problem import Problem, ProtocolError
from tmsd.client.tks import TokenKeyService
from tmsd.client.values import PresentedCard

PROFILE = "token-authentication"


def connection(site: RunningSite) -> Connection:
    files = site.site.credentials(TPS)
    trust = site.site.credentials("ca").certificate
    tls = tls_context(trust, files.certificate, files.private_key)
    return Connection(f"https://{HOST}:{site.site.port}", tls)


@pytest.fixture
async def connected(site: RunningSite) -> AsyncIterator[Connection]:
    async with connection(site) as opened:
        yield opened


@pytest.fixture
def ca(connected: Connection) -> CertificateAuthority:
    """The CA as a front-end has it."""
    return CertificateAuthority(connected, CA)


def wish(**changes: object) -> WantedCertificate:
    wanted = WantedCertificate(PROFILE, csr("Alice"))
    return replace(wanted, **changes)  # type: ignore[arg-type]  # of a test


async def test_a_certificate_is_issued_and_told_of(ca: CertificateAuthority) -> None:
    given = {"email": ["alice@pki.example", "a@pki.example"], "user_id": "alice"}
    issued = await ca.issue(wish(fields=given, days=7))

    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    assert certificate.serial_number == int.from_bytes(issued.serial_number)
    assert certificate.subject.rfc4514_string() == "UID=alice,CN=Alice"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == given["email"]
    root = x509.load_pem_x509_certificate(issued.chain[-1].encode())
    certificate.verify_directly_issued_by(root)
    assert await ca.chain() == issued.chain

    told = await ca.certificate(issued.serial_number)
    assert (told.certificate, told.profile) == (issued.certificate, PROFILE)
    assert (told.subject, told.status) == ("UID=alice,CN=Alice", Status.GOOD)
    assert told.not_before == certificate.not_valid_before_utc
    assert told.not_after == certificate.not_valid_after_utc
    assert (told.revoked_at, told.reason) == (None, None)


async def test_a_wish_that_is_sent_again_comes_to_the_same_certificate(
    ca: CertificateAuthority,
) -> None:
    wanted = wish()
    issued = await ca.issue(wanted)

    assert await ca.issue(wanted) == issued
    assert (await ca.issue(wish(key=csr("Alice")))).serial_number != issued.serial_number
    with pytest.raises(Problem) as refused:
        await ca.issue(replace(wanted, days=1))
    assert refused.value.code == "idempotency-key-reused"


async def test_who_left_before_the_answer_gets_it_by_the_same_wish(
    site: RunningSite, ca: CertificateAuthority
) -> None:
    wanted, before = wish(), len(site.trail.records)

    def intents() -> list[object]:
        decisions = [record.decision for record in site.trail.records[before:]]
        return [
            decision.details["serial_number"]
            for decision in decisions
            if (decision.operation, decision.caller) == ("ca.issue.intent", TPS)
        ]

    leaving = asyncio.create_task(ca.issue(wanted))
    await asyncio.to_thread(wait_until, lambda: bool(intents()))
    leaving.cancel()
    issued = await ca.issue(wanted)
    assert {issued.serial_number.hex()} == set(intents())


async def test_a_certificate_is_held_released_and_revoked(ca: CertificateAuthority) -> None:
    serial_number = (await ca.issue(wish())).serial_number
    since = datetime.now(UTC) - timedelta(hours=1)

    assert (await ca.hold(serial_number)).status is Status.HOLD
    assert (await ca.release(serial_number)).status is Status.GOOD
    revoked = await ca.revoke(serial_number, Reason.KEY_COMPROMISE, since)

    assert (revoked.status, revoked.reason) == (Status.REVOKED, "keyCompromise")
    assert revoked.revoked_at is not None
    assert revoked.revoked_at > since
    assert await ca.certificate(serial_number) == revoked
    with pytest.raises(Problem) as refused:
        await ca.release(serial_number)
    assert refused.value.code == "status-conflict"


@pytest.mark.parametrize("reason", Reason)
async def test_every_reason_is_one_of_the_service(ca: CertificateAuthority, reason: Reason) -> None:
    serial_number = (await ca.issue(wish())).serial_number
    assert (await ca.revoke(serial_number, reason)).reason == reason


async def test_a_key_that_a_card_made_is_certified(
    connected: Connection, ca: CertificateAuthority
) -> None:
    tks, card = TokenKeyService(connected), AES128.card()
    challenge = await tks.issue_challenge()
    answer = initialize_update(card, challenge.host_challenge)
    session = await tks.open_session(PresentedCard(answer, challenge, AES128.key_set))
    assert card.transmit(session.external_authenticate) == OK

    made = await tks.challenge_possession(session)
    wanted = b"\x05\x01\x00\x00\x00\x10" + made.encrypted + b"\x00"
    commands = [
        bytes([0x80, START_EC_ENROLLMENT, 0, 0, len(wanted)]) + wanted,
        bytes([0x80, READ_OBJECT, 0, 0, 9]) + b"\xff" * 4 + bytes(4) + b"\x49",
        bytes([0x80, READ_OBJECT, 0, 0, 9]) + b"\xff" * 4 + b"\x00\x00\x00\x49",
    ]
    session, (start, read) = await tks.wrap(made.session, commands[:2])
    length = int.from_bytes(card.transmit(start)[:2])
    blob = card.transmit(read)[2:-2]
    session, (read,) = await tks.wrap(session, [commands[2] + bytes([length - 0x49])])
    signature = card.transmit(read)[2:-2]

    key = CardKey(blob, signature, made.ticket)
    issued = await ca.issue(WantedCertificate(PROFILE, key, {"common_name": "Alice"}))
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    assert certificate.subject.rfc4514_string() == "CN=Alice"


async def test_the_crl_is_told_of(ca: CertificateAuthority, site: RunningSite) -> None:
    with site.caller() as caller:
        wait_until(lambda: caller.get(f"/v1/ca/{CA}/crl").status == 200)
    told = await ca.crl()

    crl = x509.load_pem_x509_crl(told.crl.encode())
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value
    assert (number.crl_number, crl.last_update_utc) == (told.number, told.this_update)
    assert crl.next_update_utc == told.next_update
    with pytest.raises(ProtocolError, match="more than 100 bytes"):
        await ca.crl(largest=100)


async def test_a_refusal_is_a_problem(ca: CertificateAuthority, connected: Connection) -> None:
    with pytest.raises(Problem) as refused:
        await ca.issue(wish(fields={"email": "alice"}))
    assert (refused.value.code, refused.value.pointer) == ("issuance-refused", "/fields/email")
    assert refused.value.detail.startswith("email-malformed: ")
    with pytest.raises(Problem, match="no CA 'none'"):
        await CertificateAuthority(connected, "none").chain()
    with pytest.raises(Problem) as refused:
        await ca.certificate(bytes(16))
    assert refused.value.code == "certificate-unknown"

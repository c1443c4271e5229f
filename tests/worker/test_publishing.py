"""CRLs and OCSP answers: signed for the appliance, by the CA's and the responder's keys."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tmsd.clock import now
from tmsd.config.authorities import Authorities
from tmsd.config.callers import APPLIANCE
from tmsd.errors import Code, ServiceError
from tmsd.vault import certificate_messages
from tmsd.vault.revoked_entries import RevokedEntry, pack
from tmsd.worker import publishing
from tmsd.worker.context import Context
from tmsd.x509.distribution import WHOLE

YESTERDAY = int((now() - timedelta(days=1)).timestamp())
REVOKED = RevokedEntry(b"\x81" * 16, YESTERDAY, "keyCompromise", YESTERDAY - 60)
HELD = RevokedEntry(b"\x02" * 16, YESTERDAY, "certificateHold")


def signed(
    context: Context,
    *entries: RevokedEntry,
    partition: int = WHOLE,
    base_number: int | None = None,
) -> x509.CertificateRevocationList:
    request = certificate_messages.SignCrl(
        APPLIANCE, "demo", partition, 7, base_number, pack(entries)
    )
    return x509.load_der_x509_crl(publishing.sign_crl(context, request).crl)


def test_a_crl_tells_of_the_revoked_and_is_the_ca_s(context: Context) -> None:
    crl = signed(context, REVOKED, HELD)
    authority = context.policy.authorities.by_name["demo"]

    key = authority.certificate.public_key()
    assert crl.is_signature_valid(key)  # type: ignore[arg-type]  # a CA's key
    assert [entry.serial_number for entry in crl] == [
        int.from_bytes(REVOKED.serial_number),
        int.from_bytes(HELD.serial_number),
    ]
    first = next(iter(crl))
    assert first.revocation_date_utc == datetime.fromtimestamp(YESTERDAY, UTC)
    assert first.extensions.get_extension_for_class(x509.CRLReason).value.reason is (
        x509.ReasonFlags.key_compromise
    )
    assert crl.next_update_utc == crl.last_update_utc + timedelta(hours=authority.table.crl_hours)


def test_a_delta_says_what_it_completes(context: Context) -> None:
    crl = signed(context, HELD, base_number=3)
    assert crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number == 3


def with_ca(context: Context, **changes: object) -> Context:
    """Return what a worker works with where the policy has something else of the CA."""
    demo = context.policy.authorities.by_name["demo"]
    changed = replace(demo, table=demo.table.model_copy(update=changes))
    authorities = Authorities({"demo": changed})
    policy = context.policy.model_copy(update={"authorities": authorities})
    return replace(context, policy=policy)


Place = x509.IssuingDistributionPoint | x509.FreshestCRL


def places(crl: x509.CertificateRevocationList, kind: type[Place]) -> list[str]:
    """Return the URLs of an issuing distribution point, or of where deltas are."""
    found = [each.value for each in crl.extensions if isinstance(each.value, kind)]
    points = [
        point
        for value in found
        for point in (value if isinstance(value, x509.FreshestCRL) else [value])
    ]
    return [name.value for point in points for name in point.full_name or ()]


def test_the_crl_of_a_partition_says_where_it_is_and_the_whole_one_does_not(
    context: Context,
) -> None:
    crl = signed(context, REVOKED, partition=3)
    extension = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert extension.critical
    assert places(crl, x509.IssuingDistributionPoint) == ["http://pki.example/demo~3.crl"]
    assert places(signed(context, REVOKED), x509.IssuingDistributionPoint) == []


def test_the_crl_of_a_partition_says_where_it_was_as_well(context: Context) -> None:
    moved = with_ca(context, crl_former_urls=("http://former.example/ca.crl",))
    for crl in (signed(moved, partition=3), signed(moved, partition=3, base_number=1)):
        assert places(crl, x509.IssuingDistributionPoint) == [
            "http://pki.example/demo~3.crl",
            "http://former.example/ca~3.crl",
        ]


@pytest.mark.parametrize(
    ("partition", "url"),
    [(WHOLE, "http://pki.example/demo~delta.crl"), (3, "http://pki.example/demo~3~delta.crl")],
)
def test_where_deltas_come_by_themselves_complete_crls_say_where_they_are(
    context: Context, partition: int, url: str
) -> None:
    by_itself = with_ca(context, crl_delta_minutes=60)
    assert places(signed(by_itself, partition=partition), x509.FreshestCRL) == [url]
    delta = signed(by_itself, partition=partition, base_number=3)
    assert places(delta, x509.FreshestCRL) == []
    assert delta.next_update_utc == delta.last_update_utc + timedelta(minutes=60)
    assert places(signed(context, partition=partition), x509.FreshestCRL) == []


def test_a_ca_whose_crls_have_no_place_has_none_of_partitions(context: Context) -> None:
    with pytest.raises(ServiceError, match="demo has no crl_url for its partitions"):
        signed(with_ca(context, crl_url=None), partition=3)


@pytest.mark.parametrize(
    "entries", [b"\0" * 32, b"\xff" * 33, pack([REVOKED, REVOKED])], ids=["cut", "date", "twice"]
)
def test_entries_that_are_none_are_refused(context: Context, entries: bytes) -> None:
    request = certificate_messages.SignCrl(APPLIANCE, "demo", WHOLE, 7, None, entries)
    with pytest.raises(ServiceError) as refused:
        publishing.sign_crl(context, request)
    assert refused.value.code is Code.REQUEST_INVALID


def test_callers_have_nothing_signed_that_relying_parties_read(context: Context) -> None:
    with pytest.raises(ServiceError) as refused:
        publishing.sign_crl(
            context, certificate_messages.SignCrl("ra", "demo", WHOLE, 7, None, b"")
        )
    assert refused.value.code is Code.CALLER_UNKNOWN


def test_statuses_are_answered_by_the_responder_for_both_hashes(context: Context) -> None:
    statuses = [
        certificate_messages.Status(b"\x01" * 16),
        certificate_messages.Status(REVOKED.serial_number, REVOKED.revoked_at, REVOKED.reason),
    ]
    told = publishing.sign_statuses(
        context, certificate_messages.SignStatuses(APPLIANCE, "demo", statuses)
    )

    assert told.next_update == told.this_update + 24 * 3600
    for answers, digest in ((told.by_sha1, "sha1"), (told.by_sha256, "sha256")):
        good, revoked = map(ocsp.load_der_ocsp_response, answers)
        assert good.certificate_status is ocsp.OCSPCertStatus.GOOD
        assert revoked.certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert revoked.revocation_reason is x509.ReasonFlags.key_compromise
        assert good.hash_algorithm.name == digest
        responder = context.policy.authorities.by_name["demo"].responder
        assert responder is not None
        assert [each.public_bytes(Encoding.DER) for each in good.certificates] == [
            responder.public_bytes(Encoding.DER)
        ]


def test_a_ca_without_a_responder_answers_nothing(context: Context) -> None:
    request = certificate_messages.SignStatuses(
        APPLIANCE, "root", [certificate_messages.Status(b"\x01" * 16)]
    )
    with pytest.raises(ServiceError, match="has no responder"):
        publishing.sign_statuses(context, request)


def test_answers_end_with_the_certificate_of_their_responder(context: Context) -> None:
    demo = context.policy.authorities.by_name["demo"]
    assert demo.responder is not None
    assert demo.table.ocsp is not None
    ocsp_table = demo.table.ocsp.model_copy(update={"hours": 24 * 365})
    table = demo.table.model_copy(update={"ocsp": ocsp_table})
    authorities = Authorities({"demo": replace(demo, table=table)})
    policy = context.policy.model_copy(update={"authorities": authorities})

    request = certificate_messages.SignStatuses(
        APPLIANCE, "demo", [certificate_messages.Status(b"\x01" * 16)]
    )
    told = publishing.sign_statuses(replace(context, policy=policy), request)
    assert told.next_update == demo.responder.not_valid_after_utc.timestamp()


@pytest.mark.parametrize(
    "status",
    [
        certificate_messages.Status(b"\x01" * 16, YESTERDAY + 2 * 86_400),
        certificate_messages.Status(b"\x01" * 16, 2**40 - 1),
        certificate_messages.Status(b"\x01" * 16, YESTERDAY, "removeFromCRL"),
        certificate_messages.Status(b"\x01" * 16, YESTERDAY, "boredom"),
    ],
    ids=["in the future", "no date", "released", "no reason"],
)
def test_a_status_that_no_answer_could_have_is_refused(
    context: Context, status: certificate_messages.Status
) -> None:
    with pytest.raises(ServiceError) as refused:
        publishing.sign_statuses(
            context, certificate_messages.SignStatuses(APPLIANCE, "demo", [status])
        )
    assert refused.value.code is Code.REQUEST_INVALID

"""Certificates over the API: who gets which, once for each Idempotency-Key, and how they end."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.site.caller import Caller
from tests.site.certificates import (
    CERTIFICATE,
    CHAIN,
    CRL,
    HOLD,
    RELEASE,
    REVOKE,
    at,
    csr,
    issue,
    issued,
    wanted,
)
from tests.site.contract import Answer
from tests.site.daemon import wait_until
from tests.site.fixtures import Run, RunningSite
from tests.site.identities import BRANCH, RA, TPS


@pytest.fixture
def ra(site: RunningSite) -> Iterator[Caller]:
    with site.caller(RA) as caller:
        yield caller


def is_verified(answer: Answer, directory: Path) -> bool:
    """Ask openssl(1) whether a certificate is one of the chain that came with it."""
    chain, certificate = directory / "chain.pem", directory / "certificate.pem"
    chain.write_text("".join(answer.document["chain"]))
    certificate.write_text(answer.document["certificate"])
    command = ["openssl", "verify", "-x509_strict", "-CAfile", str(chain), str(certificate)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def status(caller: Caller, serial_number: str) -> str:
    told: str = caller.get(at(CERTIFICATE, serial_number)).document["status"]
    return told


def test_what_is_issued_openssl_verifies(tps: Caller, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    body = wanted(request=csr("Alice", key)) | {"fields": {"email": "alice@pki.example"}}
    answer = issue(tps, body)

    assert answer.status == 200
    assert is_verified(answer, tmp_path)
    certificate = x509.load_pem_x509_certificate(answer.document["certificate"].encode())
    assert certificate.public_key() == key.public_key()
    assert f"{certificate.serial_number:032x}" == answer.document["serial_number"]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == ["alice@pki.example"]


def test_who_asks_again_with_the_same_key_gets_the_same_certificate(
    site: RunningSite, tps: Caller
) -> None:
    body, key = wanted(), uuid4().hex
    first, again = issue(tps, body, key), issue(tps, body, key)

    assert first.status == 200
    assert again.content == first.content
    (decision,) = (each.decision for each in site.trail.of_request(again.request_id))
    assert decision.receipts == (), "the HSM was asked again"


@pytest.mark.parametrize("changed", [{"csr": csr()}, {"days": 7}, {"fields": {"user_id": "a"}}])
def test_a_key_that_stands_for_another_wish_is_refused(
    tps: Caller, changed: dict[str, object]
) -> None:
    body, key = wanted(), uuid4().hex
    assert issue(tps, body, key).status == 200

    refused = issue(tps, body | changed, key)
    assert (refused.status, refused.code) == (409, "idempotency-key-reused")


def test_keys_of_two_callers_are_two_keys(tps: Caller, ra: Caller) -> None:
    key = uuid4().hex
    serial_numbers = {
        issue(caller, wanted(), key).document["serial_number"] for caller in (tps, ra)
    }
    assert len(serial_numbers) == 2


def test_of_many_requests_at_one_moment_with_one_key_comes_one_certificate(
    site: RunningSite,
) -> None:
    body, key, number = wanted(), uuid4().hex, 8
    together = Barrier(number)

    def ask() -> Answer:
        with site.caller() as caller:
            caller.get(at(CHAIN))
            together.wait()
            return issue(caller, body, key)

    with ThreadPoolExecutor(number) as threads:
        answers = [asked.result() for asked in [threads.submit(ask) for _ in range(number)]]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_a_key_has_one_certificate_unless_the_profile_says_otherwise(tps: Caller) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    serial_number = issue(tps, wanted(request=csr("Alice", key))).document["serial_number"]

    refused = issue(tps, wanted(request=csr("Bob", key)))
    assert refused.code == "issuance-refused"
    assert refused.detail.startswith(f"key-in-use: the key has the certificate {serial_number}")

    revoke(tps, serial_number, "superseded")
    assert issue(tps, wanted(request=csr("Bob", key))).status == 200


def test_a_key_that_was_revoked_as_compromised_gets_no_certificate(tps: Caller) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    revoke(tps, issue(tps, wanted(request=csr("Alice", key))).document["serial_number"])

    refused = issue(tps, wanted(request=csr("Alice", key)))
    assert refused.detail.startswith("key-blocked: ")


def revoke(caller: Caller, serial_number: str, reason: str = "keyCompromise") -> Answer:
    return caller.post(at(REVOKE, serial_number), {"reason": reason})


@pytest.mark.parametrize(
    ("caller", "profile", "code"),
    [
        (TPS, "tls-server", "profile-not-allowed"),
        (RA, "token-encryption", "profile-not-allowed"),
        (RA, "officer", "profile-not-allowed"),
        (BRANCH, "token-authentication", "profile-not-allowed"),
        (TPS, "ocsp-signing", "profile-unknown"),
        (TPS, "subordinate-ca", "profile-unknown"),
    ],
)
def test_a_caller_gets_what_the_policy_gives_it_and_nothing_else(
    site: RunningSite, caller: str, profile: str, code: str
) -> None:
    with site.caller(caller) as asking:
        refused = issue(asking, wanted(profile))
    assert (refused.status, refused.code, refused.pointer) == (
        403 if code == "profile-not-allowed" else refused.status,
        code,
        "/profile",
    )


def test_a_certificate_is_seen_and_changed_by_those_alone_who_may_have_its_profile(
    site: RunningSite, tps: Caller, ra: Caller
) -> None:
    serial_number = issue(tps, wanted("token-encryption")).document["serial_number"]

    with site.caller(BRANCH) as branch:
        for caller in (ra, branch):
            refusals = [
                caller.get(at(CERTIFICATE, serial_number)),
                revoke(caller, serial_number),
                caller.send("POST", at(HOLD, serial_number)),
                caller.send("POST", at(RELEASE, serial_number)),
            ]
            assert {each.code for each in refusals} == {"certificate-unknown"}
    assert status(tps, serial_number) == "good"


@pytest.mark.parametrize("path", [CHAIN, CRL])
def test_a_ca_that_issues_nothing_to_a_caller_is_none_to_it(site: RunningSite, path: str) -> None:
    with site.caller(BRANCH) as branch:
        assert branch.get(at(path)).code == "ca-unknown"


def test_a_hold_is_released_or_made_final_and_what_is_final_stays(tps: Caller) -> None:
    serial_number = issued(tps)

    for change, told in ((HOLD, "hold"), (HOLD, "hold"), (RELEASE, "good"), (HOLD, "hold")):
        answer = tps.send("POST", at(change, serial_number))
        assert (answer.status, answer.document["status"]) == (200, told)
    assert revoke(tps, serial_number, "superseded").document["status"] == "revoked"

    for change in (HOLD, RELEASE):
        refused = tps.send("POST", at(change, serial_number))
        assert (refused.status, refused.code) == (409, "status-conflict")
    again = revoke(tps, serial_number, "keyCompromise")
    assert (again.status, again.document["reason"]) == (200, "superseded")


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"csr": ""}, "/csr"),
        ({"csr": "A" * (16 * 1024 + 1)}, "/csr"),
        ({"csr": "\u20ac" * 8_000}, "/csr"),
        ({"csr": "\0"}, "/csr"),
        ({"days": 0}, "/days"),
        ({"days": 2**40}, "/days"),
        ({"days": 10**30}, "/days"),
        ({"days": True}, "/days"),
        ({"fields": {"common_name": []}}, "/fields/common_name"),
        ({"fields": {"common_name": "a" * 257}}, "/fields/common_name"),
        ({"fields": {"Common Name": "Alice"}}, "/fields"),
        ({"profile": "../officer"}, "/profile"),
        ({"serial_number": "00" * 16}, "/serial_number"),
    ],
)
def test_a_body_that_is_none_is_refused_where_it_is_wrong(
    tps: Caller, changed: dict[str, object], pointer: str
) -> None:
    refused = issue(tps, wanted() | changed)
    assert (refused.status, refused.code) == (400, "request-invalid")
    assert refused.pointer is not None
    assert refused.pointer.startswith(pointer)


def test_the_most_that_a_body_can_ask_for_is_a_refusal_and_no_end_of_the_worker(
    site: RunningSite, tps: Caller
) -> None:
    before = site.daemon.workers
    emails = [f"{'a' * 60}{n}@{'b' * 60}.{'c' * 60}.example" for n in range(64)]
    many = {f"field_{n}": ["v" * 256] * 64 for n in range(3)}

    assert issue(tps, wanted() | {"fields": {"email": emails}}).code == "issuance-refused"
    assert issue(tps, wanted() | {"fields": many}).code == "issuance-refused"
    assert site.daemon.workers == before


@pytest.mark.parametrize(
    "since", ["2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z"]
)
def test_an_invalidity_date_that_no_crl_could_have_is_refused(tps: Caller, since: str) -> None:
    serial_number = issued(tps)
    body = {"reason": "keyCompromise", "invalid_since": since}

    refused = tps.post(at(REVOKE, serial_number), body)
    assert (refused.code, refused.pointer) == ("request-invalid", "/invalid_since")
    assert status(tps, serial_number) == "good"


def test_the_crl_is_of_the_ca_and_as_it_says(site: RunningSite, tps: Caller) -> None:
    def is_published() -> bool:
        return tps.get(at(CRL)).status == 200

    wait_until(is_published)
    answer = tps.get(at(CRL))
    crl = x509.load_pem_x509_crl(answer.document["crl"].encode())
    root = x509.load_pem_x509_certificate((site.site.directory / "demo.pem").read_bytes())
    assert crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]  # a CA's key
    assert f"{crl.last_update_utc:%Y-%m-%dT%H:%M:%SZ}" == answer.document["this_update"]


def test_a_certificate_is_revoked_while_the_hsm_is_lost(run: Run) -> None:
    site = run(ca=True)
    with site.caller() as caller:
        serial_number = issued(caller)
        with site.site.token_taken_away():
            wait_until(lambda: issue(caller).code == "hsm-unavailable")
            assert revoke(caller, serial_number).document["status"] == "revoked"
            assert status(caller, serial_number) == "revoked"
    assert site.daemon.stop() == 0

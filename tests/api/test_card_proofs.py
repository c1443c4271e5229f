"""Certificates for keys that cards made: the card's own signature proves that it holds them."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1

from tests.site.batches import AES128, AES256, AES_SHARED, DES_VISA2, SCP01, Batch
from tests.site.caller import Caller
from tests.site.certificates import issue
from tests.site.channels import ENCRYPT, JsonObject, open_channel, unwrap, wrap
from tests.site.fixtures import RunningSite
from tests.site.identities import DESK, RA
from tests.virtual_token.card import Card
from tests.virtual_token.enrollment import READ_OBJECT, START_EC_ENROLLMENT, START_ENROLLMENT

RSA_2048 = (START_ENROLLMENT, 0x80, 2048)
P_256 = (START_EC_ENROLLMENT, 0x05, 256)
POSSESSION = "proof-of-possession"


@dataclass(frozen=True, slots=True)
class MadeKey:
    """What a card gave, and the ticket of its challenge."""

    blob: bytes
    signature: bytes
    ticket: str

    def body(self, **changes: object) -> JsonObject:
        proof = {"ticket": self.ticket, "signature": self.signature.hex()}
        wanted = {
            "profile": "token-authentication",
            "public_key": self.blob.hex(),
            "proof": proof,
            "fields": {"common_name": "Zoë Example"},
        }
        return wanted | changes

    def proven_by(self, **changes: object) -> JsonObject:
        return self.body(proof=self.body()["proof"] | changes)


class Sending:
    """A card behind an open channel."""

    def __init__(self, caller: Caller, batch: Batch, card: Card) -> None:
        self._caller, self._card = caller, card
        self.session = open_channel(caller, batch, card)

    def challenge(self) -> JsonObject:
        answer = self._caller.post(ENCRYPT, {"session": self.session, "purpose": POSSESSION})
        assert answer.status == 200, answer.document
        made: JsonObject = answer.document
        self.session = made["session"]
        return made

    def send(self, ins: int, data: bytes) -> bytes:
        """Send a command; return what the card answers without its 9000."""
        command = bytes([0x80, ins, 0, 0, len(data)]) + data + b"\x00"
        self.session, (wrapped,) = wrap(self._caller, self.session, [command.hex()])
        answer = self._card.transmit(wrapped)
        self.session, (told,), _ = unwrap(self._caller, self.session, [answer])
        response = bytes.fromhex(told["response"])
        assert response.endswith(b"\x90\x00"), response.hex()
        return response[:-2]

    def made_key(self, ins: int, algorithm: int, bits: int) -> MadeKey:
        """Have the card make a key pair, and read what it shows of it."""
        made = self.challenge()
        challenge = bytes.fromhex(made["encrypted"])
        wanted = bytes([algorithm]) + bits.to_bytes(2) + b"\x00\x00\x10" + challenge + b"\x00"
        length = int.from_bytes(self.send(ins, wanted))
        shown = b"".join(
            self.send(READ_OBJECT, b"\xff" * 4 + at.to_bytes(4) + bytes([min(0xD0, length - at)]))
            for at in range(0, length, 0xD0)
        )
        end = 2 + int.from_bytes(shown[:2])
        return MadeKey(shown[2:end], shown[end + 2 :], made["ticket"])


def made_key(caller: Caller, batch: Batch = AES128, kind: tuple[int, int, int] = P_256) -> MadeKey:
    return Sending(caller, batch, batch.card()).made_key(*kind)


@pytest.fixture(scope="module")
def key(site: RunningSite) -> Iterator[MadeKey]:
    """A key that nobody has had certified; tests that have it refused share it."""
    with site.caller() as tps:
        yield made_key(tps)


@pytest.mark.parametrize("batch", [AES128, AES256, DES_VISA2, SCP01], ids=lambda each: each.key_set)
def test_a_key_that_a_card_made_is_certified(site: RunningSite, tps: Caller, batch: Batch) -> None:
    card = batch.card()
    made = Sending(tps, batch, card).made_key(*P_256)
    answer = issue(tps, made.body())

    assert answer.status == 200, answer.document
    certificate = x509.load_pem_x509_certificate(answer.document["certificate"].encode())
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.public_numbers().x.to_bytes(32) == made.blob[7:39]
    assert certificate.subject.rfc4514_string() == "CN=Zoë Example"
    decision = site.trail.of_request(answer.request_id)[-1].decision
    assert decision.details["proof"] == "card"
    assert decision.key_set == batch.key_set
    assert decision.diversification_data == card.profile.kdd.hex()


def test_an_rsa_key_is_certified_as_well(tps: Caller) -> None:
    made = made_key(tps, kind=RSA_2048)
    answer = issue(tps, made.body())
    certificate = x509.load_pem_x509_certificate(answer.document["certificate"].encode())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.public_numbers().n.to_bytes(256) in made.blob


def test_the_challenge_is_told_to_the_card_alone(tps: Caller) -> None:
    card = AES128.card()
    sending = Sending(tps, AES128, card)
    made = sending.challenge()
    assert made["challenge"] is None
    assert sending.challenge()["ticket"] != made["ticket"]


def test_a_key_outside_the_card_does_not_pass_for_one_in_it(tps: Caller) -> None:
    """The caller has all that the card was sent, but not what it decrypts."""
    outside = ec.generate_private_key(ec.SECP256R1())
    numbers = outside.public_key().public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
    blob = b"\x00\x0a\x01\x00\x00\x41" + point
    made = Sending(tps, AES128, AES128.card()).challenge()
    for known in (made["encrypted"], "00" * 16):
        signature = outside.sign(blob + bytes.fromhex(known), ec.ECDSA(SHA1()))  # noqa: S303  the applet's
        refused = issue(tps, MadeKey(blob, signature, made["ticket"]).body())
        assert (refused.status, refused.code) == (422, "issuance-refused")
        assert refused.detail.startswith("card-proof-wrong: ")


def test_what_a_card_signed_is_for_its_own_challenge(
    site: RunningSite, tps: Caller, key: MadeKey
) -> None:
    another = made_key(tps)
    refused = issue(tps, key.proven_by(ticket=another.ticket))
    assert refused.detail.startswith("card-proof-wrong: ")
    decision = site.trail.of_request(refused.request_id)[-1].decision
    assert (decision.code, decision.details["proof"]) == ("issuance-refused", "card")
    assert decision.key_set == AES128.key_set


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"public_key": "0001"}, "card-key-malformed"),
        ({"profile": "token-encryption", "fields": {"shoe_size": "44"}}, "field-unknown"),
        ({"fields": {}}, "field-missing"),
    ],
)
def test_what_is_wrong_is_refused_by_its_rule(
    tps: Caller, key: MadeKey, changes: JsonObject, rule: str
) -> None:
    refused = issue(tps, key.body(**changes))
    assert (refused.status, refused.code) == (422, "issuance-refused")
    assert refused.detail.startswith(f"{rule}: ")


def test_a_ticket_is_of_use_to_its_caller_alone(
    site: RunningSite, tps: Caller, key: MadeKey
) -> None:
    altered = key.ticket[:-1] + ("A" if key.ticket[-1] != "A" else "Q")
    refused = issue(tps, key.proven_by(ticket=altered))
    assert (refused.code, refused.pointer) == ("challenge-not-issued", "/proof/ticket")
    with site.caller(RA) as ra:
        refused = issue(ra, key.body())
    assert (refused.code, refused.pointer) == ("challenge-not-issued", "/proof/ticket")
    assert "another caller" in refused.detail


def test_a_profile_takes_the_proofs_that_it_names(site: RunningSite, key: MadeKey) -> None:
    with site.caller(RA) as ra:
        refused = issue(ra, key.body(profile="tls-server"))
    assert refused.detail == "proof-not-allowed: profile tls-server takes csr"


def test_cards_that_share_their_keys_prove_nothing(tps: Caller) -> None:
    session = open_channel(tps, AES_SHARED, AES_SHARED.card())
    refused = tps.post(ENCRYPT, {"session": session, "purpose": POSSESSION})
    assert (refused.status, refused.code) == (403, "purpose-not-allowed")


def test_a_caller_without_the_purpose_has_no_challenge(site: RunningSite) -> None:
    with site.caller(DESK) as desk:
        session = open_channel(desk, AES128, AES128.card())
        refused = desk.post(ENCRYPT, {"session": session, "purpose": POSSESSION})
    assert (refused.status, refused.code) == (403, "purpose-not-allowed")


@pytest.mark.parametrize(
    "changes",
    [
        {"csr": "-----BEGIN"},
        {"public_key": None},
        {"proof": None},
        {"public_key": None, "proof": None},
        {"public_key": None, "csr": "-----BEGIN"},
    ],
)
def test_a_body_has_one_proof(tps: Caller, key: MadeKey, changes: JsonObject) -> None:
    refused = issue(tps, key.body(**changes))
    assert (refused.status, refused.code) == (400, "request-invalid")
    assert "must hold" in refused.detail

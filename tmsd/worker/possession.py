"""Proof of possession: for which key a certificate is asked, and that who asks holds it."""

from dataclasses import dataclass
from typing import Any

from tmsd.clock import now, now_ms
from tmsd.errors import Code, ServiceError
from tmsd.vault.certificate_messages import (
    CardProof,
    CertificateWanted,
    CrossedCa,
    PrepareCertificate,
    SignedRequest,
)
from tmsd.vault.message import NamedCard
from tmsd.worker import admission, card_challenges
from tmsd.worker.card_challenges import CardChallenge
from tmsd.worker.context import Context
from tmsd.x509 import building, card_proofs, crosses, requests
from tmsd.x509.building import Wanted
from tmsd.x509.crosses import Crossing
from tmsd.x509.profile import Profile, Proof
from tmsd.x509.refusal import CertificateRefused, Rule


@dataclass(frozen=True, slots=True)
class Proven:
    """A certificate that is asked for by who holds its key.

    Attributes:
        asked: what it shall say.
        left_out: fields of a request for signing that the profile has no place for.
        card: that made the key; None where none did.
    """

    asked: Wanted | Crossing
    left_out: tuple[str, ...] = ()
    card: NamedCard | None = None


def proven(context: Context, profile: Profile, request: CertificateWanted[Any]) -> Proven:
    """Return what is asked for, once it is shown that who asks holds the key.

    Raises:
        CertificateRefused: it is not shown, or not in a way that the profile takes; or the
            profile does not allow the key, or does not know the fields.
        ServiceError: `challenge-not-issued`; `key-set-unknown`, `key-version-unknown` or
            `key-version-retired` where the caller has no more to do with the card.
    """
    match request.proof:
        case SignedRequest(csr):
            _require_taken(profile, Proof.CSR)
            return _of_request(profile, request, csr)
        case CardProof():
            _require_taken(profile, Proof.CARD)
            return _of_card(context, profile, request, request.proof)
        case CrossedCa(certificate, csr):
            return _of_crossed(profile, request, certificate, csr)


def card_of(context: Context, request: PrepareCertificate) -> NamedCard | None:
    """Say for the record which card a refused proof is of; None unless its ticket is genuine."""
    if not isinstance(request.proof, CardProof):
        return None
    try:
        ticket, caller = request.proof.ticket, request.caller
        _, challenge = card_challenges.verify(context.keyring, ticket, caller, now_ms())
    except ServiceError:
        return None
    return _named(challenge)


def _require_taken(profile: Profile, proof: Proof) -> None:
    if proof not in profile.proofs:
        raise CertificateRefused(
            Rule.PROOF_NOT_ALLOWED, f"profile {profile.name} takes {', '.join(profile.proofs)}"
        )


def _of_request(profile: Profile, request: CertificateWanted[Any], csr: bytes) -> Proven:
    asked = requests.parse(csr)
    given = {name: values for name, values in asked.fields.items() if name in profile.fields}
    wanted = building.wanted(profile, asked.public_key, given | request.fields)
    return Proven(wanted, tuple(sorted(asked.fields.keys() - profile.fields)))


def _of_card(
    context: Context, profile: Profile, request: CertificateWanted[Any], proof: CardProof
) -> Proven:
    secret, challenge = card_challenges.verify(
        context.keyring, proof.ticket, request.caller, now_ms()
    )
    caller = context.policy.callers.get(request.caller)
    if caller is None:
        raise ServiceError(Code.CALLER_UNKNOWN, f"the policy has no caller {request.caller!r}")
    key_set = admission.usable_key_set(context.policy, caller, challenge.key_set)
    key_set.require_active(challenge.key_version, now())
    key = card_proofs.proven_key(proof.public_key, secret, proof.signature)
    return Proven(building.wanted(profile, key, request.fields), card=_named(challenge))


def _of_crossed(
    profile: Profile, request: CertificateWanted[Any], certificate: bytes, csr: bytes | None
) -> Proven:
    for name in request.fields:
        raise CertificateRefused(
            Rule.FIELD_UNKNOWN, "a cross-certificate has the names of the other CA", name
        )
    return Proven(Crossing(profile, crosses.crossed_ca(certificate, csr)))


def _named(challenge: CardChallenge) -> NamedCard:
    return NamedCard(challenge.key_set, challenge.key_version, challenge.diversification_data)

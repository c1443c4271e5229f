"""Proof of possession: for which key a certificate is asked, and that who asks holds it."""

from tmsd.vault.certificate_messages import CrossedCa, PrepareCertificate
from tmsd.x509 import building, crosses, requests
from tmsd.x509.building import Wanted
from tmsd.x509.crosses import Crossing
from tmsd.x509.profile import Profile
from tmsd.x509.refusal import CertificateRefused, Rule


def proven(profile: Profile, request: PrepareCertificate) -> tuple[Wanted | Crossing, list[str]]:
    """Return what is asked for, and which words of a request the profile has no place for.

    Raises:
        CertificateRefused: nobody has proved to hold the key; or the profile does not allow the
            key, or does not know the fields.
    """
    if isinstance(request.proof, CrossedCa):
        return _crossing(profile, request, request.proof), []
    asked = requests.parse(request.proof.csr)
    given = {name: values for name, values in asked.fields.items() if name in profile.fields}
    wanted = building.wanted(profile, asked.public_key, given | request.fields)
    return wanted, sorted(asked.fields.keys() - profile.fields)


def _crossing(profile: Profile, request: PrepareCertificate, proof: CrossedCa) -> Crossing:
    for name in request.fields:
        raise CertificateRefused(
            Rule.FIELD_UNKNOWN, "a cross-certificate has the names of the other CA", name
        )
    return Crossing(profile, crosses.crossed_ca(proof.certificate, proof.csr))

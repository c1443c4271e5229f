"""The token's own signature under minutes: by its audit key, over the record that closes them.

The closing record names the audit key, so that the officers' signatures cover which key it is. What
is signed begins with a tag of its own; the key signs nothing else.
"""

from base64 import b64encode

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsm.key_pairs import KeyPair, find_key_pair, list_key_pairs
from hsm.public_keys import spki_sha256
from hsm.signing import EcSigningKey, signing_key
from hsm.token import Token
from tmsd.audit.record import Record
from tmsd.ceremony.minutes_rule import Rule, RuleBroken, bytes_of
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.step import Facts
from tmsd.config.reserved_keys import AUDIT_KEY
from tmsd.x509.public_keys import spki
from tmsd.x509.public_keys import spki_sha256 as sha256_of

DOMAIN_TAG = b"tmsd-minutes-v1"


def audit_keys(token: Token) -> dict[str, KeyPair]:
    """Return the token's audit keys by the SHA-256 of their public keys, the newest last.

    Raises:
        HsmError: the token refuses, or a half of one is missing.
    """
    found = [name for name in list_key_pairs(token) if name.label == AUDIT_KEY]
    pairs = [find_key_pair(token, name) for name in found]
    return {spki_sha256(pair.public_key).hex(): pair for pair in pairs}


def attestation(token: Token, key_sha256: str, closed: str) -> Facts:
    """Have an audit key sign the close of minutes.

    Args:
        token: which has it.
        key_sha256: of its public key, as the closing record names it.
        closed: the closing record's hash, 64 hex digits.

    Raises:
        Refused: it is not there any more, or of another kind.
        HsmError: the token refuses.
    """
    pair = audit_keys(token).get(key_sha256)
    if pair is None:
        raise Refused(f"the audit key {key_sha256}, which the close names, is not in the token")
    key = signing_key(pair)
    if not isinstance(key, EcSigningKey):
        raise Refused(f"{pair.reference} is of {pair.algorithm}, and the audit key is of p256")
    signature = key.sign(_to_be_signed(closed), ec.ECDSA(SHA256()))
    return {
        "key_pair": f"{pair.reference.label}:{pair.reference.version}",
        "public_key": b64encode(spki(pair.public_key)).decode(),
        "minutes_sha256": closed,
        "signature": b64encode(signature).decode(),
    }


def require_attested(record: Record, key_sha256: object, closed: str | None) -> None:
    """Make sure that a record has the signature of the audit key that the close names.

    Raises:
        RuleBroken: `not-attested` or `fact-malformed`.
    """
    public_key, signature = bytes_of(record, "public_key"), bytes_of(record, "signature")
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        raise RuleBroken(Rule.FACT_MALFORMED, "public_key is none") from None
    if closed is None or sha256_of(key) != key_sha256:
        raise RuleBroken(Rule.NOT_ATTESTED, "this is not the audit key that the close names")
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RuleBroken(Rule.NOT_ATTESTED, "an audit key is of an elliptic curve")
    try:
        key.verify(signature, _to_be_signed(closed), ec.ECDSA(SHA256()))
    except InvalidSignature:
        words = "the signature is not by the audit key over the close of these minutes"
        raise RuleBroken(Rule.NOT_ATTESTED, words) from None


def _to_be_signed(closed: str) -> bytes:
    return DOMAIN_TAG + bytes.fromhex(closed)

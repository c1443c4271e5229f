"""What minutes and tables say of a key pair in the token: name, algorithm, public key."""

from dataclasses import dataclass

from hsm.errors import KeyNotFound, KeyUnsuitable, MechanismUnavailable
from hsm.identity import KeyPairIdentity, key_pair_identity
from hsm.key_pairs import find_key_pair, list_key_pairs
from hsm.keys import KeyReference
from hsm.token import Token
from hsm.unwrapping_pairs import unwraps


@dataclass(frozen=True, slots=True)
class DescribedKeyPair:
    """A key pair that was made, found or destroyed.

    Attributes:
        reference: its label and version.
        identity: its algorithm and the SHA-256 of its SubjectPublicKeyInfo; None for one that
            cannot be used.
        fault: why it cannot, as `its public half is not in the token`.
    """

    reference: KeyReference
    identity: KeyPairIdentity | None
    fault: str | None


def describe_key_pair(token: Token, reference: KeyReference) -> DescribedKeyPair:
    """Describe a key pair, of which the private half signs something, or what is left of one.

    Raises:
        KeyNotFound: neither half is in the token.
        HsmError: the token fails, or is gone.
    """
    if unwraps(token, reference):
        return DescribedKeyPair(
            reference, None, "it unwraps keys of card makers, and signs nothing"
        )
    try:
        return DescribedKeyPair(
            reference, key_pair_identity(find_key_pair(token, reference)), fault=None
        )
    except (KeyNotFound, KeyUnsuitable) as error:
        if reference not in list_key_pairs(token):
            raise
        return DescribedKeyPair(reference, None, str(error).removeprefix(f"{reference}: "))
    except MechanismUnavailable:
        return DescribedKeyPair(reference, None, "the token does not sign with it")

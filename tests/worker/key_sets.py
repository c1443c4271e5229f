"""Key sets as a policy would have them."""

from tmsd.config.key_sets import KeyAlgorithm, KeySet

_SCHEMES = {"AES": ("03", "kdf3"), "3DES": ("02", "emv")}


def made(algorithm: KeyAlgorithm = KeyAlgorithm.AES256, **values: object) -> KeySet:
    """Return the key set `pilot`: of version 1, in the protocol that its algorithm is for."""
    scp, scheme = _SCHEMES[algorithm.family]
    return KeySet.model_validate(
        {
            "name": "pilot",
            "scp": scp,
            "algorithm": algorithm,
            "diversification": scheme,
            "versions": {1: "active"},
        }
        | values
    )

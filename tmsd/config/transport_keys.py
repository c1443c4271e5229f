"""[transport_keys.NAME] of policy.toml: keys under which session keys leave for a caller."""

from typing import Annotated

from pydantic import Field

from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.reserved_keys import KeyLabel
from tmsd.config.table import BY_LOADER, TOML, Table
from tmsd.config.values import Name


class TransportKey(Table):
    """A key that the HSM and a caller share.

    Attributes:
        name: the table's name.
        label: the key's label in the HSM.
        algorithm: what wraps: AES key wrap (RFC 3394) or, with des3, 3DES-ECB.
        version: the key's CKA_ID, 1 to 255.
        allow_key_material_in_worker: session keys may be encrypted in the worker's memory
            where the token does not wrap with this algorithm.
    """

    name: Annotated[Name, BY_LOADER]
    label: KeyLabel = Field(
        default_factory=lambda validated: validated["name"], validate_default=True
    )
    algorithm: Annotated[KeyAlgorithm, TOML] = Field(
        description=f"one of {', '.join(KeyAlgorithm)}"
    )
    version: Annotated[int, Field(ge=1, le=255)] = 1
    allow_key_material_in_worker: bool = False

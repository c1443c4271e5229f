"""Attribute templates: a named constant for each purpose that a key is made for.

Every template says all it grants and, by PKCS#11's defaults made explicit, all it denies.
"""

from collections.abc import Mapping
from typing import Any

from pkcs11 import Attribute, ObjectClass

Template = Mapping[Attribute, Any]


_DENIED: Template = {
    Attribute.CLASS: ObjectClass.SECRET_KEY,
    Attribute.TOKEN: False,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,
    Attribute.ENCRYPT: False,
    Attribute.DECRYPT: False,
    Attribute.SIGN: False,
    Attribute.VERIFY: False,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}


def _granting(*granted: Attribute) -> Template:
    return {**_DENIED, **dict.fromkeys(granted, True)}


# A master key derives card keys. Encryption serves its check value and, for AES, the steps
# of the CMAC that come before the derivation (kdf.py).
MASTER_KEY = _granting(Attribute.TOKEN, Attribute.DERIVE, Attribute.ENCRYPT)

# A master key that is itself the card's key also encrypts what PUT KEY sends, as SCP01 and
# SCP03 do under the static DEK.
UNDIVERSIFIED_KEY = _granting(Attribute.TOKEN, Attribute.DERIVE, Attribute.ENCRYPT, Attribute.WRAP)

# A master key of a scheme whose PRF is HMAC; a generic secret, as HMAC keys are (hmac.py).
HMAC_MASTER_KEY = _granting(Attribute.TOKEN, Attribute.SIGN)

# A transport key wraps session keys for the caller that holds the other copy of it.
TRANSPORT_KEY = _granting(Attribute.TOKEN, Attribute.WRAP, Attribute.ENCRYPT)

# The backup key takes keys out of the token and puts them back, and does nothing else.
BACKUP_KEY = _granting(Attribute.TOKEN, Attribute.WRAP, Attribute.UNWRAP)
# The same for the length of an operation, where custodians bring it.
JOINED_BACKUP_KEY = _granting(Attribute.WRAP, Attribute.UNWRAP)
# A key that comes back from a backup can be backed up again; what else it may, the backup says.
RESTORED_KEY = _granting(Attribute.TOKEN, Attribute.EXTRACTABLE)
# MACs one backup, and lies in it, wrapped.
BACKUP_MAC_KEY = _granting(Attribute.EXTRACTABLE, Attribute.SIGN)

# A zone master key unwraps keys that card makers send, and does nothing else.
ZONE_MASTER_KEY = _granting(Attribute.TOKEN, Attribute.UNWRAP)
# One that protects key blocks derives the two keys of each, as a CMAC (key_block.py).
KEY_BLOCK_PROTECTION_KEY = _granting(Attribute.TOKEN, Attribute.DERIVE, Attribute.ENCRYPT)
# The keys of a key block: one decrypts or encrypts it, the other makes its MAC in ECB steps.
KEY_BLOCK_ENCRYPTION_KEY = _granting(Attribute.ENCRYPT, Attribute.DECRYPT)
KEY_BLOCK_MAC_KEY = _granting(Attribute.ENCRYPT)

# Keys that serve the daemon's own messages: MACs and nothing else.
SERVICE_MAC_KEY = _granting(Attribute.TOKEN, Attribute.SIGN)
# The same in a token that refuses CKM_AES_CMAC: MACs are made in steps (cmac.py).
SERVICE_MAC_KEY_IN_STEPS = _granting(Attribute.TOKEN, Attribute.ENCRYPT)

# The private half of a key pair signs, and does nothing else: it neither decrypts nor agrees on
# keys, so that no signature of a CA is ever the by-product of something else.
SIGNING_KEY: Template = {
    Attribute.CLASS: ObjectClass.PRIVATE_KEY,
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,
    Attribute.SIGN: True,
    Attribute.SIGN_RECOVER: False,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}
# The same, where it can be backed up.
RESTORED_SIGNING_KEY: Template = {**SIGNING_KEY, Attribute.EXTRACTABLE: True}
# Its public half, which everybody may know.
VERIFYING_KEY: Template = {
    Attribute.CLASS: ObjectClass.PUBLIC_KEY,
    Attribute.TOKEN: True,
    Attribute.PRIVATE: False,
    Attribute.MODIFIABLE: False,
    Attribute.VERIFY: True,
    Attribute.VERIFY_RECOVER: False,
    Attribute.ENCRYPT: False,
    Attribute.WRAP: False,
    Attribute.DERIVE: False,
}

# The private half of a key pair that card makers wrap keys for: it unwraps, and does nothing else.
UNWRAPPING_KEY: Template = {**SIGNING_KEY, Attribute.SIGN: False, Attribute.UNWRAP: True}
# Its public half.
WRAPPING_KEY: Template = {**VERIFYING_KEY, Attribute.VERIFY: False, Attribute.WRAP: True}

# The public key of who gets a key: it wraps that, and is gone with the operation.
RECIPIENT_KEY: Template = {**WRAPPING_KEY, Attribute.TOKEN: False}

# A component is only shown by its check value.
COMPONENT = _granting(Attribute.ENCRYPT)

# Wraps a key whose length is asked for (lengths.py), and nothing else.
MEASURING_KEY = _granting(Attribute.WRAP)

# What every key under the backup key is compared with, and what a copy of a key is compared by.
KNOWN_KEY = _granting(Attribute.EXTRACTABLE)
COMPARED_MAC_KEY = _granting(Attribute.SIGN)

# A card's static key derives session keys; AES needs encryption for it, 3DES does not.
AES_CARD_KEY = _granting(Attribute.DERIVE, Attribute.ENCRYPT)
DES_CARD_KEY = _granting(Attribute.DERIVE)

# A key that goes to the card by PUT KEY leaves only wrapped, and shows its check value.
NEW_CARD_KEY = _granting(Attribute.EXTRACTABLE, Attribute.ENCRYPT)

# Only for what a key set's exception allows: its value can be read.
READABLE_KEY: Template = {
    **_granting(Attribute.EXTRACTABLE, Attribute.ENCRYPT),
    Attribute.SENSITIVE: False,
}

# A session key that is handed over leaves wrapped, and serves nothing here.
DELIVERED_KEY = _granting(Attribute.EXTRACTABLE)

SESSION_ENC_KEY = _granting(Attribute.ENCRYPT, Attribute.DECRYPT)
AES_SESSION_MAC_KEY = _granting(Attribute.SIGN)
DES_SESSION_MAC_KEY = _granting(Attribute.ENCRYPT)  # retail MACs are built from CBC steps
DATA_ENCRYPTION_KEY = _granting(Attribute.ENCRYPT, Attribute.WRAP)


def in_order(template: Template) -> Template:
    """Return a template with CKA_MODIFIABLE last, as C_UnwrapKey and C_DeriveKey take it.

    Once SoftHSM 2.6 has read there that a key cannot be changed, nobody may name it any more.
    """
    return dict(sorted(template.items(), key=lambda item: item[0] is Attribute.MODIFIABLE))

"""Reading a key's value out of the token: only what was made to be read."""

from pkcs11 import Attribute

from hsm.errors import hsm_errors
from hsm.keys import TokenKey
from hsm.secret import Secret


@hsm_errors
def read_value(key: TokenKey) -> Secret:
    """Return the value of a key that is neither sensitive nor unextractable."""
    return Secret(key.handle[Attribute.VALUE])

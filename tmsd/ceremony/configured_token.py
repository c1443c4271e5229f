"""The token that tmsd.toml names, with its user logged in, as a worker has it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from hsm.credentials import pin_from
from hsm.login import Login
from hsm.module import TokenAddress
from hsm.pin_latch import PinLatch
from hsm.token import Token
from tmsd.config.hsm import HsmConfig


def token_address(hsm: HsmConfig) -> TokenAddress:
    """Return where the token is."""
    return TokenAddress(hsm.module, hsm.token_label, hsm.token_serial, hsm.environment)


@contextmanager
def configured_token(hsm: HsmConfig, *, writable: bool = False) -> Iterator[Token]:
    """Log in with the PIN that the configuration names; log out at the end.

    Args:
        hsm: the table [hsm] of tmsd.toml.
        writable: whether persistent keys may be made and destroyed.

    Raises:
        HsmError: the PIN cannot be read or was refused before, or the token is not there.
    """
    login = Login(
        address=token_address(hsm),
        read_pin=partial(pin_from, hsm.pin_file, hsm.pin_credential),
        pin_file=hsm.pin_file,
        latch=PinLatch(hsm.latch_file),
    )
    with login.logged_in(writable=writable) as token:
        yield token

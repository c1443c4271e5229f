"""Logging in behind the latch: what daemon and `tmsctl` do, and nobody in another way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hsm.module import TokenAddress, find_token, load_module, restart_module
from hsm.pin_latch import PinLatch
from hsm.secret import Secret
from hsm.token import Token, close, log_in


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a token and log in.

    Attributes:
        address: which token.
        read_pin: reads the user PIN, anew for each login.
        pin_file: the file that it is read from; None where it is a credential of systemd.
        latch: remembers that a PIN was refused.
    """

    address: TokenAddress
    read_pin: Callable[[], Secret]
    pin_file: Path | None
    latch: PinLatch

    def log_in(self, *, restart: bool = False, writable: bool = False) -> Token:
        """Load the module, or restart it, find the token, and log in as its user.

        Raises:
            CredentialUnavailable: the PIN cannot be read, or the latch cannot be used.
            ModuleUnavailable, TokenNotFound, TokenLost: as they say.
            PinLatched: no PIN was tried.
            PinRefused: one was, and from now on none is.
        """
        address = self.address
        start = restart_module if restart else load_module
        with self.latch.locked():
            found = find_token(start(address.module, address.environment), address)
            self.latch.require_open(found.flags, self.pin_file)
            pin = self.read_pin()
            with self.latch.trying(self.pin_file):
                return log_in(found, address, pin, writable=writable)

    @contextmanager
    def logged_in(self, *, writable: bool = False) -> Iterator[Token]:
        """Log in, and out again at the end; otherwise as `log_in`."""
        token = self.log_in(writable=writable)
        try:
            yield token
        finally:
            close(token)

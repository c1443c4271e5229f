"""Another implementation's host on the card: yubikey-manager, over any way to transmit."""

from collections.abc import Callable

from yubikit.core import TRANSPORT
from yubikit.core.smartcard import SmartCardConnection, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, StaticKeys

from tests.virtual_token.personalisation import CardProfile

STORE_DATA, GET_DATA = 0xE2, 0xCA


class Transmitter(SmartCardConnection):
    """A yubikit connection over a function from command bytes to response bytes."""

    transport = TRANSPORT.NFC

    def __init__(self, transmit: Callable[[bytes], bytes]) -> None:
        self._transmit = transmit

    def close(self) -> None:
        """Leave the card where it is."""

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        """Return data field and status word."""
        answer = self._transmit(apdu)
        return answer[:-2], int.from_bytes(answer[-2:])


def scp03_keys(profile: CardProfile) -> Scp03KeyParams:
    """Return the card's static keys as yubikit wants them; AES-128 only."""
    keys = StaticKeys(profile.enc, profile.mac, profile.dek)
    return Scp03KeyParams(KeyRef(0x01, profile.key_version), keys)


def open_session(transmit: Callable[[bytes], bytes], profile: CardProfile) -> SmartCardProtocol:
    """Select the security domain and open SCP03 at level 33."""
    host = SmartCardProtocol(Transmitter(transmit))
    host.select(profile.aid)
    host.init_scp(scp03_keys(profile))
    return host

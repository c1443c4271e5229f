"""Known answers: does the token derive sessions as the specifications say?

Before a worker serves, and again whenever it has reached its token anew, published keys go
into the token as session objects and open a channel whose cryptograms are published as well.
"""

from dataclasses import dataclass
from typing import Any

from hsm.errors import HsmError, MechanismUnavailable
from hsm.importing import import_session_key
from hsm.keys import AES_128, DES2, KeyShape
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token
from tmsd.globalplatform import scp02, scp03
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Use
from tmsd.globalplatform.protocols import SecureChannelProtocol
from tmsd.worker.hsm_key import AES_TEMPLATES, DES_TEMPLATES, HsmKey


class KnownAnswerWrong(HsmError):
    """The token computes something else than the specifications; it serves nobody."""


@dataclass(frozen=True, slots=True)
class _KnownSession:
    """A published session: static keys, what depends on the challenges, the card's cryptogram."""

    name: str
    protocol: SecureChannelProtocol[Any]
    shape: KeyShape
    i: int
    enc: bytes
    mac: bytes
    context: bytes
    card_cryptogram: bytes


_KNOWN = (
    # Source: scp03Test.c of kaoh/globalplatform, in delete_application
    _KnownSession(
        name="SCP03",
        protocol=scp03,
        shape=AES_128,
        i=0x70,
        enc=bytes.fromhex("f995d0a069335c7df42e590317ffea6d"),
        mac=bytes.fromhex("58563362ec5a4541abcd32b34b1eae7d"),
        context=bytes.fromhex("b2bde1a2dc66bd56c40932a6fefeaeb2"),
        card_cryptogram=bytes.fromhex("e127185170f45fca"),
    ),
    # Source: session_test.go of status-im/keycard-go, in TestNewSession
    _KnownSession(
        name="SCP02",
        protocol=scp02,
        shape=DES2,
        i=0x15,
        enc=bytes.fromhex("404142434445464748494a4b4c4d4e4f"),
        mac=bytes.fromhex("404142434445464748494a4b4c4d4e4f"),
        context=bytes.fromhex("000de9c62ba1c4c8f0467f908e5ca23f"),
        card_cryptogram=bytes.fromhex("e55fcb91b6654ce4"),
    ),
)


def require_known_answers(token: Token, *, for_cards: bool) -> list[str]:
    """Derive published sessions in the token.

    Args:
        token: which is asked.
        for_cards: whether cards are served, so that the token must have one protocol at least.

    Returns:
        The protocols whose answers were right; one whose mechanisms the token lacks is left out.

    Raises:
        KnownAnswerWrong: an answer is wrong, or cards are served by the mechanisms of none.
        HsmError: the token failed.
    """
    right = []
    for known in _KNOWN:
        try:
            with token.operation() as operation:
                answer = _card_cryptogram(operation, known)
        except MechanismUnavailable:
            continue
        if answer != known.card_cryptogram:
            raise KnownAnswerWrong(f"the token derives wrong keys for {known.name}")
        right.append(known.name)
    if for_cards and not right:
        raise KnownAnswerWrong("the token can derive session keys of no protocol")
    return right


def _card_cryptogram(operation: Operation, known: _KnownSession) -> bytes:
    templates = AES_TEMPLATES if known.shape.is_aes else DES_TEMPLATES
    static = {
        role: HsmKey(
            operation,
            import_session_key(operation, Secret(value), known.shape, templates[Use.CARD_KEY]),
        )
        for role, value in ((Role.ENC, known.enc), (Role.MAC, known.mac))
    }
    keys = known.protocol.session_keys(static, known.context, known.i, SecurityLevel.C_MAC)
    return known.protocol.card_cryptogram(keys, known.context)

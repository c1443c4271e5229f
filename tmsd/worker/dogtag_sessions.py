"""Session keys for a TPS of Dogtag: one function per message, of the same name.

In SCP01 and SCP03 the card proves its keys first. In SCP02 the TPS compares cryptograms itself, so
that nothing shows a card here, and the policy has to allow it.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from tmsd.clock import now_ms
from tmsd.config.key_sets import Scp
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import scp02, scp03
from tmsd.globalplatform.channel import SecurityLevel, require_card_cryptogram
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.scp02 import SessionKey
from tmsd.vault import dogtag_messages
from tmsd.worker import admission, dogtag_keygen, tickets
from tmsd.worker.context import Context
from tmsd.worker.dogtag_cards import Admitted, Deriving, admit, delivered, voucher
from tmsd.worker.hsm_key import HsmKey

_LEVEL = SecurityLevel.C_MAC | SecurityLevel.C_ENC


@dataclass(frozen=True, slots=True)
class _Session:
    """A session that a card answered to, and how its keys come."""

    card: Admitted
    context: bytes
    i: int

    def keys(self, static: dict[Role, HsmKey]) -> Any:  # noqa: ANN401  the protocol's own type
        """Derive C-MAC and C-ENC session keys."""
        if self.card.key_set.scp is Scp.SCP03 and self.card.tps.aes128_sessions:
            return scp03.session_keys(static, self.context, self.i, _LEVEL, Algorithm.AES_128)
        return self.card.protocol.session_keys(static, self.context, self.i, _LEVEL)


def make_session_keys(
    context: Context, request: dogtag_messages.MakeSessionKeys
) -> dogtag_messages.SessionKeysMade:
    """Verify a card's cryptogram in SCP01 or SCP03, and make its session keys.

    Raises:
        ServiceError: as the policy, the ticket or the card has it; `purpose-not-allowed`, for keys
            of server-side key generation without a DRM; `mechanism-unavailable`.
    """
    card, session = _admit(context, request)
    if request.server_side_keygen:
        dogtag_keygen.require_drm(context, card)
    protocol = card.protocol
    with context.token.operation() as operation:
        deriving = Deriving(context, operation)
        static = deriving.opening_keys(card)
        keys = session.keys(static)
        expected = protocol.card_cryptogram(keys, session.context)
        require_card_cryptogram(expected, request.card_cryptogram)
        wrapped, exposed = _delivered(deriving, session, static, request)
        keygen = None
        if request.server_side_keygen:
            dek = deriving.static_dek(card)
            keygen, also_exposed = dogtag_keygen.make_keys(deriving, card, dek, also_aes=True)
            exposed = exposed or also_exposed
        host_cryptogram = protocol.host_cryptogram(keys, session.context)
    return dogtag_messages.SessionKeysMade(
        mac=wrapped["mac"],
        enc=wrapped["enc"],
        dek=wrapped.get("dek"),
        host_cryptogram=host_cryptogram,
        keygen=keygen,
        voucher=voucher(context, card),
        key_material_in_worker=exposed or card.in_channels.is_exposed,
    )


def make_scp02_key(
    context: Context, request: dogtag_messages.MakeScp02Key
) -> dogtag_messages.Scp02KeyMade:
    """Make one session key of SCP02, of a card that nothing proves to be there.

    Raises:
        ServiceError: as the policy has it; `delivery-not-allowed` where it does not allow that;
            `request-invalid` for a derivation constant that is none of E.4.1.
    """
    card = admit(context, request.caller, request.key_set, request.card)
    card.require_scp(Scp.SCP02)
    if not card.tps.allow_unverified_scp02:
        raise ServiceError(
            Code.DELIVERY_NOT_ALLOWED,
            f"{card.caller.name} has no allow_unverified_scp02: no session keys of SCP02 without "
            "a proof of the card",
        )
    wanted = _session_key(request.derivation_constant)
    makes_keygen = request.server_side_keygen and wanted is SessionKey.DEK
    if makes_keygen:
        dogtag_keygen.require_drm(context, card)
    counter = request.sequence_counter
    with context.token.operation() as operation:
        deriving = Deriving(context, operation)
        key, exposed = wrapped_scp02_key(deriving, card, wanted, counter)
        keygen = None
        if makes_keygen:
            dek = scp02_key(deriving, card, wanted, counter)
            keygen, also_exposed = dogtag_keygen.make_keys(deriving, card, dek, also_aes=False)
            exposed = exposed or also_exposed
    return dogtag_messages.Scp02KeyMade(
        key=key,
        keygen=keygen,
        voucher=voucher(context, card, counter),
        key_material_in_worker=exposed or card.in_channels.is_exposed,
    )


def scp02_key(
    deriving: Deriving,
    card: Admitted,
    wanted: SessionKey,
    counter: bytes,
    base: type[HsmKey] = HsmKey,
) -> HsmKey:
    """Derive a session key of SCP02; `base` gives its attributes."""
    static = deriving.static_key(card.in_channels, wanted.role)
    return scp02.session_key(base(deriving.operation, static.key), wanted, counter)


def wrapped_scp02_key(
    deriving: Deriving, card: Admitted, wanted: SessionKey, counter: bytes
) -> tuple[bytes, bool]:
    """Derive a session key of SCP02 and encrypt it for the TPS: always to the same 16 bytes."""
    derive = partial(scp02_key, deriving, card, wanted, counter)
    wrapped, exposed = delivered(deriving.context, card, lambda base: {"key": derive(base)})
    return wrapped["key"], exposed


def _session_key(constant: bytes) -> SessionKey:
    try:
        return SessionKey(constant)
    except ValueError:
        raise ServiceError(
            Code.REQUEST_INVALID,
            f"{constant.hex()} is no derivation constant of SCP02, which has "
            f"{', '.join(each.value.hex() for each in SessionKey)}",
            pointer="/derivation_constant",
        ) from None


def _admit(context: Context, request: dogtag_messages.MakeSessionKeys) -> tuple[Admitted, _Session]:
    card = admit(context, request.caller, request.key_set, request.card)
    # The ticket comes early: every later refusal means that its challenge was used.
    _require_host_challenge(context, card, request)
    card.require_scp(Scp.SCP01, Scp.SCP03)
    answer = InitializeUpdateResponse(
        diversification_data=request.card.kdd,
        key_version=request.card.key_version,
        scp=int(card.key_set.scp),
        i=None,
        sequence_counter=b"",
        card_challenge=request.card_challenge,
        card_cryptogram=request.card_cryptogram,
    )
    i = admission.accepted_i(card.key_set, answer, request.i)
    if card.protocol.challenge_length(i) != len(request.host_challenge):
        raise ServiceError(
            Code.PROTOCOL_MISMATCH, f"i={i:02x} has longer challenges, which Dogtag has not"
        )
    channel_context = card.protocol.session_context(request.host_challenge, answer)
    return card, _Session(card, channel_context, i)


def _require_host_challenge(
    context: Context, card: Admitted, request: dogtag_messages.MakeSessionKeys
) -> None:
    if request.ticket is not None:
        issued = tickets.verify(context.keyring, request.ticket, request.caller, now_ms())
        if issued == request.host_challenge:
            return
        reason = "the ticket is of another host challenge"
    elif not card.key_set.require_issued_challenge:
        return
    else:
        reason = f"key set {card.key_set.name} takes challenges of computeRandomData alone"
    raise ServiceError(Code.CHALLENGE_NOT_ISSUED, reason, pointer="/host_challenge")


def _delivered(
    deriving: Deriving,
    session: _Session,
    static: dict[Role, HsmKey],
    request: dogtag_messages.MakeSessionKeys,
) -> tuple[dict[str, bytes], bool]:
    """Encrypt the session keys, and in SCP03 for key generation the DEK, if the TPS may have it."""
    card = session.card
    with_dek = (
        card.key_set.scp is Scp.SCP03
        and request.server_side_keygen
        and card.caller.deliver_static_dek
    )

    def keys(base: type[HsmKey]) -> dict[str, HsmKey]:
        over = {role: base(deriving.operation, key.key) for role, key in static.items()}
        named: dict[str, HsmKey] = card.protocol.deliverable_keys(session.keys(over))
        if with_dek:
            named["dek"] = deriving.static_key(card.outside_channels, Role.DEK, Use.DEK, base)
        return named

    return delivered(deriving.context, card, keys, static_dek=with_dek)

"""The table of vouchers: for each card of a TPS of Dogtag the latest, until it expires."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, func, select, text

from tmsd.store.tables import DOGTAG_VOUCHERS

_COLUMNS = DOGTAG_VOUCHERS.c
# Both kinds know these words.
_PUT = text(
    "INSERT INTO dogtag_vouchers (caller, key_set, kdd, cuid, voucher, expires_ms)"
    " VALUES (:caller, :key_set, :kdd, :cuid, :voucher, :expires_ms)"
    " ON CONFLICT (caller, key_set, kdd, cuid)"
    " DO UPDATE SET voucher = excluded.voucher, expires_ms = excluded.expires_ms"
)


@dataclass(frozen=True, slots=True)
class VouchedCard:
    """Whose session keys a caller had.

    Attributes:
        caller: its name.
        key_set: of the card.
        kdd: 10 bytes.
        cuid: 10 bytes.
    """

    caller: str
    key_set: str
    kdd: bytes
    cuid: bytes


def put(connection: Connection, card: VouchedCard, voucher: bytes, expires_ms: int) -> None:
    """Remember a card's voucher, in place of an earlier one.

    Args:
        connection: within a transaction.
        card: whose.
        voucher: 1 to 256 bytes.
        expires_ms: when it can be forgotten, in milliseconds of Unix time.
    """
    connection.execute(_PUT, {**asdict(card), "voucher": voucher, "expires_ms": expires_ms})


def find(connection: Connection, card: VouchedCard) -> bytes | None:
    """Return a card's voucher; None where there is none."""
    voucher: bytes | None = connection.execute(
        select(_COLUMNS.voucher).where(
            _COLUMNS.caller == card.caller,
            _COLUMNS.key_set == card.key_set,
            _COLUMNS.kdd == card.kdd,
            _COLUMNS.cuid == card.cuid,
        )
    ).scalar_one_or_none()
    return voucher


def forget_expired(connection: Connection, now_ms: int) -> int:
    """Forget what has expired; return how many are remembered still."""
    connection.execute(delete(DOGTAG_VOUCHERS).where(now_ms >= _COLUMNS.expires_ms))
    return connection.execute(select(func.count(_COLUMNS.kdd))).scalar_one()

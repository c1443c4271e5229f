"""The session keys of a channel as the card derives them, from its keys and both challenges."""

from tests.site.batches import Batch
from tests.virtual_token import scp01, scp02, scp03
from tests.virtual_token.card import Card
from tests.virtual_token.keys import with_odd_parity

Keys = dict[str, bytes]


def on_the_card(batch: Batch, card: Card, host_challenge: bytes, answer: bytes) -> Keys:
    """Return all session keys, and the DEK, as the card derives them."""
    static = card.profile.keys
    if batch.scp == 0x03:
        context = host_challenge + answer[13 : 13 + batch.challenge_length]
        length = len(static.enc)
        return {
            "enc": scp03.derive(static.enc, scp03.S_ENC, context, length),
            "mac": scp03.derive(static.mac, scp03.S_MAC, context, length),
            "rmac": scp03.derive(static.mac, scp03.S_RMAC, context, length),
            "dek": static.dek,
        }
    if batch.scp == 0x02:
        derived = scp02.session_keys(static, answer[12:14], base_key=False)
        keys = {
            "enc": derived.enc,
            "mac": derived.c_mac,
            "rmac": derived.r_mac,
            "dek": derived.dek,
        }
    else:
        keys = {
            "enc": scp01.session_key(static.enc, host_challenge, answer[12:20]),
            "mac": scp01.session_key(static.mac, host_challenge, answer[12:20]),
            "dek": static.dek,
        }
    return {name: with_odd_parity(value) for name, value in keys.items()}

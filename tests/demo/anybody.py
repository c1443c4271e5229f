"""What anybody can do who knows a card's keys: a channel to an SCP03 card, without tmsd.

Only as far as the card's verdict on its host (Amendment D 1.1.1, 6.2 and 7.1).
"""

import secrets

from tests.demo.tps import Card, initialize_update
from tests.virtual_token.coprocessor import aes_cmac
from tests.virtual_token.scp03 import HOST_CRYPTOGRAM, S_MAC, derive

_EXTERNAL_AUTHENTICATE = bytes.fromhex("8482010010")  # with C-MAC alone
_FIRST_CHAINING_VALUE = bytes(16)


def authenticate(card: Card, mac_key: bytes) -> bytes:
    """Try a static MAC key on a card; return the card's verdict, 2 bytes of status word.

    Args:
        card: is asked for the key version that it holds.
        mac_key: 16 bytes.
    """
    host_challenge = secrets.token_bytes(8)
    answer = initialize_update(card, host_challenge)
    context = host_challenge + answer[13:21]  # the card's challenge
    session_key = derive(mac_key, S_MAC, context, len(mac_key))
    command = _EXTERNAL_AUTHENTICATE + derive(session_key, HOST_CRYPTOGRAM, context, 8)
    return card.transmit(command + aes_cmac(session_key, _FIRST_CHAINING_VALUE + command)[:8])

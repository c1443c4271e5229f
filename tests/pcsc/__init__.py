"""What every card in software stands on: APDUs, data objects, and readers of a real pcscd.

A card is a `Token` of vpcd.py and is reached through vsmartcard's vpcd driver, like a card in a
reader:

    program ── libpcsclite ── pcscd ── vpcd ══ TCP ══ vpcd.py ── the card

| file | noun |
|---|---|
| apdu.py | command APDUs and status words |
| tlv.py | BER-TLV data objects |
| vpcd.py | putting a card into a reader |
| pcscd.py | a private PC/SC daemon for one test process |
| faults.py | cards that misbehave |
| fixtures.py | the same for pytest |

vpcd listens on every network interface, without authentication: whoever reaches the port while it
is open can pose as a card. Keep it to a test machine.
"""

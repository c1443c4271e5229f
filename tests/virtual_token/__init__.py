"""A GlobalPlatform card in software that pcscd takes for a real one, and is as strict.

What it is
    An issuer security domain after the GlobalPlatform Card Specification 2.3.1 (called
    CS231 here) with Secure Channel Protocol '02' (CS231 appendix E) or '03' (Amendment D
    1.1.1, called AmdD), reached through vsmartcard's vpcd driver like a card in a reader:

        program ── libpcsclite ── pcscd ── vpcd ══ TCP ══ vpcd.py ── card.py

    The implementation is the card's side of the protocols, written from the specifications
    over the `cryptography` package alone. It shares no line with tmsd.globalplatform, which
    is the host's side, so that a mistake there cannot cancel itself out here.

What it refuses
    Whatever the specification lets a card refuse: see card.py. A session whose C-MAC failed
    stays aborted until INITIALIZE UPDATE, SELECT or a reset; sequence counters survive
    power-off and are never reused; a data field that needs no encryption must not have any.

Where to look
    | file | noun |
    |---|---|
    | apdu.py | command APDUs and status words |
    | tlv.py | BER-TLV data objects |
    | coprocessor.py | DES, AES, MACs and padding |
    | keys.py | key sets and how they are diversified from a master key |
    | personalisation.py | `CardProfile`: what makes one card another card |
    | memory.py | what survives power-off |
    | channel.py | what the card asks of a secure channel protocol |
    | scp02.py, scp03.py | the two protocols |
    | data_objects.py | CPLC, card recognition data, key information, the FCI |
    | card.py | the card: commands in, responses out |
    | faults.py | cards that misbehave |
    | vpcd.py | putting a card into a reader |
    | pcscd.py | a private PC/SC daemon for one test process |
    | fixtures.py | the same for pytest |
    | traces.py, host.py | published sessions, and another implementation's host, for the tests |

    `python -m tests.virtual_token PROFILE.json --port 35963` inserts a card by hand.

What stands against it
    - Its keys are plain bytes in this process. It is for tests and demonstrations and holds
      nothing worth stealing; never personalise it with keys that a real card has.
    - vpcd listens on every network interface, without authentication: whoever reaches the
      port while it is open can pose as a card. Keep it to a test machine.
    - No timing, power or fault behaviour of a chip; no failed-attempt counters; basic logical
      channel, short APDUs and the T=1 transport only; one security domain, one application.
    - Real cards differ where the specification leaves room (6982 or 6988 for a bad C-MAC,
      6300 before or after the C-MAC check). What passes here can still meet a card that
      answers otherwise.
"""

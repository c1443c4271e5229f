"""A GlobalPlatform card in software that pcscd takes for a real one, and is as strict.

What it is
    An issuer security domain after the GlobalPlatform Card Specification 2.3.1 (called
    CS231 here) with Secure Channel Protocol '01' (Card Specification 2.1.1, called CS211,
    appendix D), '02' (CS231 appendix E) or '03' (Amendment D 1.1.1, called AmdD), in a
    reader of tests/pcsc.

    The implementation is the card's side of the protocols, written from the specifications
    over the `cryptography` package alone. It shares no line with tmsd.globalplatform, which
    is the host's side, so that a mistake there cannot cancel itself out here.

What it refuses
    Whatever the specification lets a card refuse: see card.py. A session whose C-MAC failed
    stays aborted until INITIALIZE UPDATE, SELECT or a reset; sequence counters survive
    power-off, and no value comes twice with the same keys; a data field that needs no
    encryption must not have any.
    PUT KEY wants a channel with C-MAC and right check values, and changes all keys or none.

Where to look
    | file | noun |
    |---|---|
    | coprocessor.py | DES, AES, MACs and padding |
    | keys.py | key sets and how they are diversified from a master key |
    | keyring.py | the keys on the card, by version and identifier |
    | put_key.py | how PUT KEY changes them |
    | dek.py | the data encryption key, under which new keys come |
    | personalisation.py | `CardProfile`: what makes one card another card |
    | memory.py | what survives power-off |
    | channel.py | what the card asks of a secure channel protocol |
    | scp01.py, scp02.py, scp03.py | the three protocols |
    | data_objects.py | CPLC, card recognition data, key information, the FCI |
    | card.py | the card: commands in, responses out |
    | faults.py | cards that misbehave |
    | traces.py | published and generated sessions, for the tests |
    | host.py | another implementation's host: SCP03 with AES-128 |
    | terminal.py, changeover.py | a host for every protocol, and its PUT KEY |

    `python -m tests.virtual_token PROFILE.json --port 35963` inserts a card by hand.

What stands against it
    - Its keys are plain bytes in this process. It is for tests and demonstrations and holds
      nothing worth stealing; never personalise it with keys that a real card has.
    - No timing, power or fault behaviour of a chip; no failed-attempt counters; basic logical
      channel, short APDUs and the T=1 transport only; one security domain, one application;
      no implicit initiation and no R-MAC session of its own in SCP02; no PUT KEY in parts.
    - SCP01 with ICV encryption, R-MAC in SCP02 and S16 in SCP03 rest on generated traces, and
      SCP02 without ICV encryption on this folder's own host: nobody has published any.
    - PROVE PRESENCE is this card's own.
    - Real cards differ where the specification leaves room (6982 or 6988 for a bad C-MAC,
      6300 before or after the C-MAC check). What passes here can still meet a card that
      answers otherwise.
"""

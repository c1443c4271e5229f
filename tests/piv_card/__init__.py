"""A PIV card in software, which OpenSC takes for a real one: what security officers sign with.

What it is
    The card's side of NIST SP 800-73-4 (called SP73 here, with its part) over the `cryptography`
    package, in a reader of tests/pcsc. It shares no line with tmsd; the host's side is OpenSC's,
    which nobody here wrote.

What it refuses
    Whatever the standard lets a card refuse: a signature without the PIN, and one of the digital
    signature key unless the PIN came immediately before; an algorithm that the key is not of; what
    only the PIN's owner may read. A PIN that is wrong too often blocks it for good.

Where to look
    | file | noun |
    |---|---|
    | pin.py | the PIN and its retry counter |
    | keys.py | key references, algorithm identifiers, and what a key signs |
    | data_objects.py | CHUID, capabilities, certificates, discovery: what GET DATA reads |
    | personalisation.py | cards of persons |
    | card.py | the card: commands in, responses out |

What stands against it
    - Its keys are plain bytes in this process. It is for tests and holds nothing worth stealing.
    - The CHUID is not signed, there are no biometrics and no security object: nobody is identified.
    - Neither secure messaging, key agreement, the card management key nor a change of the PIN.
    - Private RSA operations are not blinded, and take a tenth of a chip's time.
"""

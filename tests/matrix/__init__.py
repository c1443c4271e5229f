"""Every kind of channel that is served, from the worker's functions to a card's independent side.

A combination is a protocol, its implementation option "i", a security level, an algorithm and a
diversification. `combinations.py` lists them by themselves, and `test_completeness.py` holds the
list to what the code says that it serves. The worker's functions run in the test's process over
a SoftHSM token and a policy; `tests/virtual_token` is the card, and shares no code with them.
"""

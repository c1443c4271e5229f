"""Real PKCS#11 tokens for tests: SoftHSM, each process with a token folder of its own, and others.

A PKCS#11 module belongs to one thread of one process, and SoftHSM reads where its tokens
are when it is loaded. So every pytest process (every xdist worker) has one `SoftHsm`, one
token that stays logged in (`hsm_token`), and as many further tokens as tests ask for.

What is derived has to be the same on tokens that have nothing in common but PKCS#11: such
tests run `on_each_token` (each_token.py), of which softokn.py and opencryptoki.py are two.
"""

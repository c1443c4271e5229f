"""Real PKCS#11 tokens for tests: SoftHSM, each test process with a token folder of its own.

A PKCS#11 module belongs to one thread of one process, and SoftHSM reads where its tokens
are when it is loaded. So every pytest process (every xdist worker) has one `SoftHsm`, one
token that stays logged in (`hsm_token`), and as many further tokens as tests ask for.
"""

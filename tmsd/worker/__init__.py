"""The process that answers the messages of tmsd/vault with the keys of one token.

It is the only code of the daemon that imports `hsm`. One thread, one login, one socket.
"""

"""What tmsd needs of a PKCS#11 token, in PKCS#11's words; it imports nothing of tmsd.

One thread owns a module: python-pkcs11 initialises it without locking and releases the
interpreter lock, so a second thread would crash the process. Scale is by process.
"""

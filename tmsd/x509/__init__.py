"""Certificates: what profiles allow, how they are built and looked over (RFC 5280).

Pure: it reads no clock, no file and no configuration, and knows of no HSM.
"""

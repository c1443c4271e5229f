"""What may be asked of the HSM (messages.py), and the asking (framing.py, pool.py)."""

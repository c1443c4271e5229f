"""The documents for integrators: what they say is run, and compared."""

"""Every measurement, one after the other: `python -m bench`."""

from bench import crl, flood, idle_connections, issuing, session, signing, store

_MEASUREMENTS = (crl, flood, idle_connections, issuing, session, signing, store)

for measurement in _MEASUREMENTS:
    measurement.main()

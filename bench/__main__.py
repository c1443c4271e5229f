"""Every measurement, one after the other: `python -m bench`."""

from bench import flood, idle_connections, ocsp, signing, store

_MEASUREMENTS = (flood, idle_connections, ocsp, signing, store)

for measurement in _MEASUREMENTS:
    measurement.main()

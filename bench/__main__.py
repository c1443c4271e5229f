"""Every measurement, one after the other: `python -m bench`."""

from bench import flood, signing

_MEASUREMENTS = (flood, signing)

for measurement in _MEASUREMENTS:
    measurement.main()

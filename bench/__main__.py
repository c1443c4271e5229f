"""Every measurement, one after the other: `python -m bench`."""

from bench import flood

_MEASUREMENTS = (flood,)

for measurement in _MEASUREMENTS:
    measurement.main()

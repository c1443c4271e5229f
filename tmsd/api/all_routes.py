"""Every route of the API, for the server and for its description."""

from tmsd.api import ca, tks

ROUTES = (*tks.ROUTES, *ca.ROUTES)

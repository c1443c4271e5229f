"""The narrow API, version 1: routes, bodies, callers and problem documents over HTTPS."""

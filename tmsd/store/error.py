"""The one error of databases as a whole; those of single requests are `ServiceError`s."""


class StoreError(Exception):
    """The database cannot be used: says which, why, and what would be right."""

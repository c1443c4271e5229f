"""Which schema a database has, and that it gets this release's.

A start with a database that has it already, as nearly every one is, does without Alembic, which
takes a fifth of a second to load.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from tmsd.store.error import StoreError

# The steps follow one another by the numbers that their files begin with.
_STEPS = Path(__file__).with_name("migrations").joinpath("versions").glob("[0-9]*.py")
HEAD = max(step.name.partition("_")[0] for step in _STEPS)


def upgrade(name: str, connection: Connection) -> None:
    """Bring the schema of a database, which messages call by this name, to this release's.

    Raises:
        StoreError: it is that of a later release.
    """
    present = _revision(connection)
    if present == HEAD:
        return
    from tmsd.store import upgrading  # noqa: PLC0415  it loads Alembic

    if present is not None and present not in upgrading.revisions():
        raise StoreError(
            f"database {name} has revision {present}, of a later release than this one: "
            "install that, or restore a backup of before its upgrade"
        )
    upgrading.upgrade(connection)


def require_schema(name: str, connection: Connection) -> None:
    """Refuse a schema that is not this release's.

    Raises:
        StoreError: it is another.
    """
    present = _revision(connection)
    if present != HEAD:
        raise StoreError(
            f"database {name} has revision {present}, and this release reads {HEAD}: "
            "start the daemon of this release first, which upgrades it"
        )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)

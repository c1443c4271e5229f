"""The way of a database to this release's schema: Alembic's, over the steps in migrations/."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_MIGRATIONS = Path(__file__).with_name("migrations")


def migrations() -> Config:
    """Return Alembic's settings for this package's migrations."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def revisions() -> set[str]:
    """Return the revisions that this release knows."""
    return {
        script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions()
    }


def upgrade(connection: Connection) -> None:
    """Go all the way, from a revision that is known or from none."""
    config = migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

"""The tables as this release has them; migrations/ leads there from every release before."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

METADATA = MetaData()

# Host challenges are used once: the digests of tickets, until the tickets have expired.
USED_CHALLENGES = Table(
    "used_challenges",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False, index=True),
)

# Cards that failed, by caller and key set: how often, and until when they are not asked again.
CARD_FAILURES = Table(
    "card_failures",
    METADATA,
    Column("caller", String(64), primary_key=True),
    Column("key_set", String(64), primary_key=True),
    Column("diversification_data", LargeBinary(10), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until_ms", BigInteger, nullable=False, index=True),
)

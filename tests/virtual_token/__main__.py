"""Insert a card by hand: `python -m tests.virtual_token PROFILE.json --port 35963`."""

from pathlib import Path

import click

from tests.pcsc.vpcd import InsertedCard
from tests.virtual_token.card import Card
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import read_profile

VPCD_DEFAULT_PORT = 35963


@click.command()
@click.argument("profile", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--port", default=VPCD_DEFAULT_PORT, show_default=True, help="Where vpcd listens.")
@click.option(
    "--memory",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that keeps keys, sequence counters and stored data over restarts.",
)
def main(profile: Path, port: int, memory: Path | None) -> None:
    """Put a card of PROFILE (JSON, see personalisation.py) into a virtual reader."""
    card = Card(read_profile(profile), NonVolatileMemory(memory))
    with InsertedCard(card, port) as inserted:
        click.echo(f"card inserted on port {port}; Ctrl-C takes it out")
        inserted.wait()


if __name__ == "__main__":
    main()

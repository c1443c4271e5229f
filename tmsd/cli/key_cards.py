"""`tmsctl key cards`: which version of a key set's master keys cards were last seen with.

It logs in nowhere: it reads the policy, and the store beside the daemon.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path

import click

from tmsd import clock
from tmsd.ceremony.refusal import Refused
from tmsd.cli.configuration import configuration
from tmsd.cli.records import read_records
from tmsd.cli.table import print_table
from tmsd.config.daemon import load_daemon_config
from tmsd.config.key_sets import KeySet
from tmsd.config.policy import load_policy
from tmsd.store.cards_seen import LONGEST_PAGE, SeenCard, counts, page

_VERSION_HEADINGS = ("VERSION", "STATE", "CARDS")
_CARD_HEADINGS = ("CARD", "LAST SEEN")


class _CardData(click.ParamType[bytes]):
    """Diversification data in hex, as the command prints it."""

    name = "CARD"

    def convert(
        self, value: str | bytes, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return bytes.fromhex(value)
        except ValueError:
            self.fail(f"{value!r} is no card that a page ended with", param, ctx)


@dataclass(frozen=True, slots=True)
class _Page:
    """Which cards of a list are wanted: those after one, and how many."""

    after: bytes | None
    size: int


def _in_pages(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which page is wanted, as `wanted`."""

    @click.option(
        "--page-size",
        type=click.IntRange(1, LONGEST_PAGE),
        default=50,
        show_default=True,
        help="How many at most.",
    )
    @click.option("--after", type=_CardData(), help="The card that the page before ended with.")
    @wraps(command)
    def packed(*, page_size: int, after: bytes | None, **others: object) -> None:
        command(wanted=_Page(after, page_size), **others)

    return packed


@click.command("cards")
@configuration
@click.option("--key-set", "name", metavar="NAME", required=True, help="Whose cards.")
@click.option(
    "--version",
    metavar="N",
    type=click.IntRange(1, 255),
    help="List the cards that were last seen with this version.",
)
@_in_pages
@click.option("--json", "as_json", is_flag=True, help="One JSON document, no table.")
def list_cards(
    config_file: Path, name: str, version: int | None, wanted: _Page, as_json: bool
) -> None:
    """Count the cards of a key set by the version that they were last seen with, or list them.

    A card is seen when it proves its keys. Cards of undiversified key sets are not told apart.
    """
    key_set = _key_set(config_file, name)
    numbers = read_records(config_file, partial(counts, key_set=name))
    if version is None:
        _print_versions(key_set, numbers, as_json=as_json)
        return
    seen = partial(
        page, key_set=name, key_version=version, after=wanted.after, most=wanted.size + 1
    )
    cards = read_records(config_file, seen)
    more = len(cards) > wanted.size
    _print_cards(cards[: wanted.size], numbers.get(version, 0), more=more, as_json=as_json)


def _key_set(config_file: Path, name: str) -> KeySet:
    policy = load_policy(load_daemon_config(config_file).policy.file)
    key_set = policy.key_sets.get(name)
    if key_set is None:
        known = ", ".join(policy.key_sets) or "none"
        raise Refused(f"{policy.source} has no key set {name!r}, only {known}")
    if key_set.undiversified:
        raise Refused(f"all cards of {name} hold the same keys: none proves which card it is")
    return key_set


def _print_versions(key_set: KeySet, numbers: Mapping[int, int], *, as_json: bool) -> None:
    present = clock.now()
    states = {number: held.state(present) for number, held in key_set.versions.items()}
    known = [
        (number, states.get(number), numbers.get(number, 0))
        for number in sorted({*states, *numbers})
    ]
    if not as_json:
        rows = [(str(number), state or "-", str(cards)) for number, state, cards in known]
        print_table(_VERSION_HEADINGS, rows)
        return
    told = [{"version": number, "state": state, "cards": cards} for number, state, cards in known]
    newest = key_set.newest_version(present)
    _print_json({"key_set": key_set.name, "newest_version": newest, "versions": told})


def _print_cards(cards: list[SeenCard], count: int, *, more: bool, as_json: bool) -> None:
    last = cards[-1].diversification_data.hex() if more else None
    rows = [(card.diversification_data.hex(), _time(card.seen_ms)) for card in cards]
    if as_json:
        told = [{"diversification_data": card, "last_seen": time} for card, time in rows]
        _print_json({"count": count, "cards": told, "next": last})
        return
    print_table(_CARD_HEADINGS, rows)
    click.echo(f"\n{count} in all" + (f"; more: --after {last}" if last else ""))


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _print_json(document: Mapping[str, object]) -> None:
    click.echo(json.dumps(document, indent=2))

"""The story, top to bottom: `python -m tests.demo`.

Exit code 0: everything was as it should be. 1: something was not, and the last lines say
what. 128 and the signal's number: interrupted.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from smartcard.Exceptions import SmartcardException

from tests.demo import channels, key_changeover, proofs, records, refusals, setting_up
from tests.demo.cards import issued_cards
from tests.demo.findings import Deviation, Findings
from tests.demo.interruption import Interrupted, unless_interrupted
from tests.demo.issuer import issued_key_sets
from tests.demo.screen import Screen
from tests.demo.site import SiteError, started
from tests.demo.tps import CardRefused
from tests.pcsc.pcscd import PcscdError
from tmsd.client.connection import Connection, tls_context
from tmsd.client.problem import Problem, ProtocolError, ServiceUnreachable
from tmsd.client.tks import TokenKeyService

# What the story can meet without a mistake in its own code.
_UNEXPECTED = (
    CardRefused,
    LookupError,
    OSError,
    PcscdError,
    Problem,
    ProtocolError,
    ServiceUnreachable,
    SiteError,
    SmartcardException,
)


_LOG_LINES = 15


def main() -> int:
    """Tell the story; return the exit code."""
    screen = Screen.standard()
    findings = Findings(screen)
    began = time.monotonic()
    try:
        screen.title("tmsd: cards trust the HSM, and everything between them holds no key")
        screen.say(
            "tmsd opens secure channels to smart cards, with keys that never leave a hardware"
            " security module (HSM). What follows is a whole installation at work, in small: the"
            " HSM and the cards are software, everything between them is what would run in earnest."
        )
        asyncio.run(unless_interrupted(_in_own_directory(screen, findings)))
        _summarise(screen, findings)
    except Interrupted as interrupted:
        screen.wrong(f"interrupted by {interrupted}")
        return 128 + interrupted.number
    except BrokenPipeError:  # whoever read this has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Deviation as deviation:
        _summarise(screen, findings)
        _explain(screen, deviation.what, deviation.expected, deviation.happened)
        return 1
    except _UNEXPECTED as error:
        _summarise(screen, findings)
        _explain(screen, screen.heading, "no error", f"{type(error).__name__}: {error}")
        return 1
    screen.right(f"everything was as it should be, in {time.monotonic() - began:.1f} s")
    return 0


async def _in_own_directory(screen: Screen, findings: Findings) -> None:
    """Tell the story in a temporary directory, which is removed however it ends."""
    with TemporaryDirectory(prefix="tmsd-demo-") as name:
        try:
            await _story(screen, findings, Path(name))
        except (Deviation, *_UNEXPECTED):
            _show_logs(screen, Path(name))
            raise


async def _story(screen: Screen, findings: Findings, directory: Path) -> None:
    key_sets = issued_key_sets()

    screen.chapter("Setting up")
    site = setting_up.build_site(screen, directory)
    setting_up.add_key_sets(screen, site, key_sets)
    setting_up.import_master_keys(screen, findings, site, key_sets)
    tls = tls_context(site.tls("ca.pem"), site.tls("tps-demo.pem"), site.tls("tps-demo.key"))
    async with started(site) as daemon:
        await setting_up.start_daemon(screen, findings, daemon)
        async with Connection(site.url, tls) as connection:
            service = TokenKeyService(connection)
            await setting_up.ask_for_key_sets(screen, findings, service, key_sets)
            with issued_cards(key_sets) as cards:
                setting_up.show_cards(screen, cards)

                screen.chapter("Secure channels")
                staff, officers, older = cards.staff, cards.officers, cards.older
                kept = await channels.open_and_use(screen, findings, service, staff)
                stored = await channels.open_and_use(screen, findings, service, officers)
                await channels.open_and_use(screen, findings, service, older)
                await channels.change_a_command(screen, findings, service, officers)

                screen.chapter("Key changeover")
                desk = key_changeover.Desk(screen, findings, service, site)
                await key_changeover.go_on(desk, staff, cards.left_behind, kept)
                await key_changeover.refuse_triple_des(desk, older)
                await key_changeover.allow_triple_des(desk, cards.doors)
                await key_changeover.take_over(
                    desk, (cards.fresh, cards.also_fresh), key_sets.staff
                )
                await proofs.unwrap_responses(screen, findings, service, staff, kept)
                await proofs.prove_presence(
                    screen, findings, service, cards.fresh, cards.also_fresh
                )

                screen.chapter("Refusals")
                await refusals.wrong_master_key(screen, findings, service, cards.stranger)
                await refusals.replays(screen, findings, service, staff, cards.replaying)
                await refusals.garbage(screen, findings, service, cards)
                await refusals.put_key(screen, findings, service, older)
                await refusals.unknown_clients(screen, findings, site, directory)
                await refusals.wrong_pin(screen, findings, site)
                await channels.read_again(screen, findings, service, officers, stored)

        screen.chapter("What is left of it")
        await records.stop_daemon(screen, findings, daemon)
        records.verify_audit_log(screen, findings, site)
        records.forge_audit_log(screen, findings, site)
        records.list_keys(screen, findings, site, key_sets)
        records.look_for_secrets(screen, findings, site, key_sets, cards)


def _show_logs(screen: Screen, directory: Path) -> None:
    for log in directory.glob("*/tmsd.log"):
        screen.say(f"The end of the log {log}:")
        screen.output(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _summarise(screen: Screen, findings: Findings) -> None:
    screen.chapter("Summary")
    rows = [(f"{found.step:4}", found.what, found.seen) for found in findings.all]
    screen.table(("STEP", "WHAT", "WHAT WAS SEEN"), rows)
    screen.gap()


def _explain(screen: Screen, what: str, expected: str, happened: str) -> None:
    screen.wrong(f"Step {screen.number} is not as it should be.")
    screen.value("what", what)
    screen.value("expected", expected)
    screen.value("happened", happened)


if __name__ == "__main__":
    sys.exit(main())

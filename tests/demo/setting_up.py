"""Chapter one: a site from nothing, its keys, the daemon, and cards in readers."""

from pathlib import Path

from tests.demo.cards import Cards
from tests.demo.findings import Findings
from tests.demo.issuer import IssuedKeySets
from tests.demo.screen import Screen
from tests.demo.site import Completed, Daemon, Site, free_port
from tmsd.client.tks import TokenKeyService

_MAY_PROVE_PRESENCE = 'encrypt_purposes = ["proof-of-presence"]'


def build_site(screen: Screen, directory: Path) -> Site:
    """Have tmsctl make everything that a tmsd needs."""
    screen.step("A site from nothing")
    screen.say(
        "A directory with all that tmsd needs: a software HSM (SoftHSM 2) with a random PIN that"
        " nobody has seen, certificates for TLS, the configuration, and a policy that says who"
        " may ask for what. The directory is a temporary one; it is gone at the end."
    )
    site = Site(directory / "site", free_port())
    made = site.tmsctl("quickstart", site.directory.name, "--port", str(site.port))
    _show(screen, made, lines=made.output.partition("\n\n")[0].splitlines())
    made.require_success()
    return site


def add_key_sets(screen: Screen, site: Site, key_sets: IssuedKeySets) -> None:
    """Write the key sets into policy.toml, and have tmsctl read it back."""
    screen.step("Kinds of cards for the policy")
    screen.say(
        "A key set is a family of cards: one master key in the HSM, from which the keys of each"
        " card are computed by the card's own number (diversification). change_to says to which"
        " keys its cards may be changed over. These lines are added to policy.toml, the first to"
        " its caller:"
    )
    tables = "\n".join(key_set.policy_table for key_set in key_sets.all)
    site.extend_policy(of_caller=_MAY_PROVE_PRESENCE, tables=tables)
    screen.output([_MAY_PROVE_PRESENCE, "", *tables.splitlines()])
    checked = site.tmsctl("check", "config", site.directory.name)
    telling = (*(f"  {key_set.name}:" for key_set in key_sets.all), "WARNING:")
    understood = [line for line in checked.output.splitlines() if line.startswith(telling)]
    screen.say("Checked, and said back in plain words, with warnings where it is unsafe:")
    _show(screen, checked, lines=understood)
    checked.require_success()


def import_master_keys(
    screen: Screen, findings: Findings, site: Site, key_sets: IssuedKeySets
) -> None:
    """Import each master key from two components on standard input."""
    screen.step("Master keys into the HSM, from components")
    screen.say(
        "Two custodians type one component each, on standard input; their XOR is the master key."
        " These are the demonstration's own test keys, made up by this run: real ones exist"
        " nowhere but in the HSM. A key check value (KCV) shows that it is the right key and"
        " nothing else of it; the issuer of the cards has computed it too, without tmsd."
    )
    for name, master in key_sets.masters:
        imported = site.tmsctl(
            *("key", "import", "--config", f"{site.directory.name}/tmsd.toml"),
            *("--key-set", name, "--version", str(master.version)),
            *("--algorithm", master.algorithm),
            typed="".join(f"{component.hex()}\n" for component in master.components),
        )
        _show(screen, imported)
        imported.require_success()
        check_value = imported.output.split()[-1]
        findings.require_equal("KCV", master.key_check_value.hex(), check_value)
        findings.seen(f"KCV of {name}:{master.version}, HSM and issuer", check_value)


async def start_daemon(screen: Screen, findings: Findings, daemon: Daemon) -> None:
    """Wait until tmsd serves."""
    screen.step("tmsd is started")
    screen.say(
        "The process that talks to the network starts a second one, the worker, which alone"
        " holds the login to the HSM."
    )
    screen.command(daemon.command)
    is_ready = await daemon.is_ready()
    screen.output(daemon.log.splitlines())
    findings.require_equal("tmsd serves", expected=True, happened=is_ready)
    findings.seen("tmsd", "ready")


async def ask_for_key_sets(
    screen: Screen,
    findings: Findings,
    service: TokenKeyService,
    key_sets: IssuedKeySets,
) -> None:
    """Ask, as a TPS, which key sets there are."""
    screen.step("A token processing system connects")
    screen.say(
        "A token processing system (TPS) stands between cards and tmsd. It is known by the"
        " public key of its TLS certificate. First it asks which key sets it may use:"
    )
    served = {}
    for key_set in await service.key_sets():
        versions = {version.version: version.key_check_value for version in key_set.versions}
        served[key_set.name] = versions
        named = ", ".join(
            f"version {version:02x} KCV {value.hex() if value else 'missing'}"
            for version, value in versions.items()
        )
        words = f"SCP{key_set.scp:02x} {key_set.algorithm} {key_set.diversification}: {named}"
        screen.value(key_set.name, words)
    for issued in key_sets.all:
        wanted = {master.version: master.key_check_value for master in issued.masters}
        findings.require_equal(f"key set {issued.name}", wanted, served.get(issued.name))
    findings.seen("KCVs that tmsd tells, and the issuer's", f"{len(key_sets.masters)} are the same")


def show_cards(screen: Screen, cards: Cards) -> None:
    """Say which card is in which reader."""
    screen.step("Cards in readers")
    screen.say(
        "Virtual GlobalPlatform cards, as strict as real ones, in virtual readers. Programs"
        " reach them through PC/SC, like any card. The issuer has computed their keys from the"
        " same master keys, with code of its own: only if both computed the same can card and"
        " tmsd understand each other."
    )
    screen.table(
        ("READER", "KEY SET", "CARD NUMBER (KDD)", "THE CARD"),
        [
            (
                card.reader,
                card.issued.key_set.name,
                card.issued.profile.kdd.hex(),
                card.issued.nature,
            )
            for card in cards.all
        ],
    )


def _show(screen: Screen, completed: Completed, lines: list[str] | None = None) -> None:
    """Show a program and what it printed; all of it, where it failed."""
    screen.command(completed.command)
    whole = completed.output.splitlines()
    screen.output(whole if lines is None or completed.exit_code else lines)

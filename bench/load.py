"""How fast a TKS answers a TPS of Dogtag: `python -m bench.load`.

It asks any TKS that speaks Dogtag's protocol, and several of them in turns, so that a site can
compare: with N connections, each as a TPS asks, a challenge by computeRandomData and then session
keys for a card that answered it. In SCP02, where no challenge is sent, it asks for the three keys
of a session. Each answer is checked against what the card's keys come to, computed in
dogtag_card.py. Without a URL it starts a daemon of its own, with the keys of the recordings.

The first run of each case warms up and is not counted. The load takes the machine's time, too: its
own share is shown, and near 100 % it is the load that is measured.
"""

import asyncio
import json
import secrets
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from urllib.parse import unquote_to_bytes, urlsplit

import click
from rich.console import Console
from rich.table import Table

from bench.dogtag_card import (
    SCP02_CONSTANTS,
    Asked,
    CardKeys,
    ask_scp01,
    ask_scp02,
    ask_scp03,
    decrypted,
)
from tests.site.caller import tls_settings
from tests.site.daemon import Daemon
from tests.site.directory import HOST, Site
from tests.site.dogtag_policy import SHARED_SECRET
from tests.site.dogtag_site import OPEN, dogtag_site
from tests.softhsm.tokens import SoftHsm

_PATH = "/tks/agent/tks/"
_ANSWER_SECONDS = 30.0
_LARGEST_ANSWER = 64 * 1024
_FACTORY_KEY = bytes(range(0x40, 0x50))


@dataclass(frozen=True, slots=True)
class Tks:
    """Whom to ask, and as whom."""

    url: str
    tls: ssl.SSLContext

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        if parts.scheme != "https" or parts.hostname is None:
            raise click.UsageError(f"--url must be as https://tks.example:8443, not {self.url}")
        return parts.hostname, parts.port or 443


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: for which cards, in which protocol, under which secret."""

    protocol: int
    key_set: str
    key_version: int
    keys: CardKeys
    secret: bytes

    def named(self) -> dict[str, str | bytes]:
        """Return the parameters that name a card that there was not before."""
        identity = secrets.token_bytes(10)
        third = bytes([0x70]) if self.protocol == 3 else b""
        second = 3 if self.protocol == 3 else 1
        return {
            "serversideKeygen": "false",
            "KDD": identity,
            "tokencuid": identity,
            "KeyInfo": bytes([self.key_version, second]) + third,
            "keySet": self.key_set,
        }


@dataclass(slots=True)
class Measured:
    """What came of one case: seconds of each request, and what failed, in words."""

    seconds: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    lasted: float = 0.0
    own_share: float = 0.0

    @property
    def rate(self) -> float:
        """Sessions in a second."""
        return self.sessions / self.lasted if self.lasted else 0.0


class WrongAnswer(Exception):
    """An answer that is none, or is not right; the text says what about it."""


class _Connection:
    """One connection of a TPS, kept as long as the TKS keeps it."""

    def __init__(self, tks: Tks, measured: Measured) -> None:
        self._tks = tks
        self._measured = measured
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, operation: str, parameters: Mapping[str, str | bytes]) -> dict[str, bytes]:
        """Ask as the recorded TPS does, and return the fields of an answer with status 0."""
        form = "&".join(f"{name}={_spelled(value)}" for name, value in parameters.items())
        head = (
            f"POST {_PATH}{operation} HTTP/1.0\r\n"
            "content-type:application/x-www-form-urlencoded\r\n"
            f"connection:Keep-Alive\r\ncontent-length:{len(form)}\r\n\r\n"
        )
        began = time.perf_counter()
        async with asyncio.timeout(_ANSWER_SECONDS):
            body = await self._exchanged((head + form).encode())
        self._measured.seconds.append(time.perf_counter() - began)
        fields = dict(pair.partition(b"=")[::2] for pair in body.split(b"&"))
        if fields.get(b"status") != b"0":
            told = body[:40].decode(errors="replace") or "nothing"
            raise WrongAnswer(f"{operation}: {told}")
        return {name.decode(): unquote_to_bytes(value) for name, value in fields.items()}

    async def _exchanged(self, request: bytes) -> bytes:
        if self._open is None:
            host, port = self._tks.address
            self._open = await asyncio.open_connection(host, port, ssl=self._tks.tls)
        reader, writer = self._open
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = head.split(" ", 2)[1]
        fields = dict(line.partition(":")[::2] for line in head.split("\r\n")[1:] if line)
        length = int(fields.get("content-length", "0"))
        if length > _LARGEST_ANSWER:
            raise WrongAnswer(f"an answer of {length} bytes")
        body = await reader.readexactly(length)
        if fields.get("connection", "").strip() == "close":
            self.close()
        if status != "200":
            raise WrongAnswer(f"HTTP {status}")
        return body

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _spelled(value: str | bytes) -> str:
    return value if isinstance(value, str) else "".join(f"#{byte:02X}" for byte in value)


async def _session(connection: _Connection, wanted: Wanted) -> None:
    """Have session keys made for a card, and check them."""
    named = wanted.named()
    if wanted.protocol == 2:
        counter = secrets.token_bytes(2)
        for purpose in SCP02_CONSTANTS:
            asked = ask_scp02(wanted.keys, named, counter, purpose)
            _require(asked, await connection.ask("computeSessionKey", asked.parameters), wanted)
        return
    random = await connection.ask("computeRandomData", {"dataNumBytes": "8"})
    challenge = random.get("randomData", b"")
    if len(challenge) != 8:
        raise WrongAnswer(f"wrong: {len(challenge)} random bytes, not 8")
    ask = ask_scp01 if wanted.protocol == 1 else ask_scp03
    asked = ask(wanted.keys, named, challenge)
    _require(asked, await connection.ask("computeSessionKey", asked.parameters), wanted)


def _require(asked: Asked, answered: Mapping[str, bytes], wanted: Wanted) -> None:
    for name, value in asked.fields.items():
        if answered.get(name) != value:
            raise WrongAnswer(f"wrong: {name}")
    for name, key in asked.keys.items():
        wrapped = answered.get(name, b"")
        if len(wrapped) != len(key) or decrypted(wanted.secret, wrapped) != key:
            raise WrongAnswer(f"wrong: {name}")


async def _asking(tks: Tks, wanted: Wanted, measured: Measured, until: float) -> None:
    connection = _Connection(tks, measured)
    try:
        while time.perf_counter() < until:
            try:
                await _session(connection, wanted)
                measured.sessions += 1
            except WrongAnswer as wrong:
                measured.failed[str(wrong)] += 1
            except (OSError, EOFError, TimeoutError, ValueError, IndexError) as error:
                measured.failed[type(error).__name__] += 1
                connection.close()
                await asyncio.sleep(0.05)  # a server that is away is asked again, not flooded
    finally:
        connection.close()


async def _measure(tks: Tks, wanted: Wanted, connections: int, seconds: float) -> Measured:
    measured = Measured()
    began, processor = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as asking:
        for _ in range(connections):
            asking.create_task(_asking(tks, wanted, measured, began + seconds))
    measured.lasted = time.perf_counter() - began
    measured.own_share = (time.process_time() - processor) / measured.lasted
    return measured


@dataclass(slots=True)
class Case:
    """One TKS with so many connections, and its rounds."""

    tks: Tks
    connections: int
    rounds: list[Measured] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Sessions in a second: the median of the rounds."""
        return median(each.rate for each in self.rounds)

    @property
    def failed(self) -> Counter[str]:
        """What failed, in words."""
        return sum((each.failed for each in self.rounds), Counter())

    def milliseconds(self) -> tuple[float, float, float, float]:
        """Return median, 90th and 99th percentile and maximum of all requests."""
        all_of_it = sorted(1000 * one for each in self.rounds for one in each.seconds)
        if len(all_of_it) < 2:
            return (0.0, 0.0, 0.0, 0.0)
        at = quantiles(all_of_it, n=100, method="inclusive")
        return at[49], at[89], at[98], all_of_it[-1]


def measured(
    targets: Sequence[Tks],
    wanted: Wanted,
    connections: Sequence[int],
    seconds: float,
    rounds: int,
) -> list[Case]:
    """Ask each TKS with each number of connections, in turns."""
    cases = [Case(tks, count) for count in connections for tks in targets]
    for case in cases:
        asyncio.run(_measure(case.tks, wanted, case.connections, min(seconds, 1.0)))
    for _ in range(rounds):
        for case in cases:
            case.rounds.append(asyncio.run(_measure(case.tks, wanted, case.connections, seconds)))
    return cases


def _table(cases: Sequence[Case]) -> Table:
    """Show each TKS by its number, which is told before."""
    table = Table("TKS", "over", "sessions/s", "p50 ms", "p90", "p99", "max", "failed", "own CPU")
    numbers = _numbers(cases)
    for case in cases:
        table.add_row(
            str(numbers[case.tks.url]),
            str(case.connections),
            f"{case.rate:.0f}",
            *(f"{each:.1f}" for each in case.milliseconds()),
            str(case.failed.total()),
            f"{100 * median(each.own_share for each in case.rounds):.0f} %",
        )
    return table


def _numbers(cases: Sequence[Case]) -> dict[str, int]:
    urls = dict.fromkeys(case.tks.url for case in cases)
    return {url: number for number, url in enumerate(urls, start=1)}


def _ratios(cases: Sequence[Case]) -> Iterator[tuple[str, float]]:
    """Yield how many times as many sessions the first TKS opens as each other."""
    first = {case.connections: case for case in cases if case.tks is cases[0].tks}
    for case in cases:
        if case.tks is not cases[0].tks and case.rate:
            ratio = first[case.connections].rate / case.rate
            yield f"{case.connections} connections than {case.tks.url}", ratio


def _hexadecimal(file: Path) -> bytes:
    try:
        return bytes.fromhex(file.read_text())
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{file} must hold hexadecimal digits: {error}") from None


def _keys(file: Path | None) -> CardKeys:
    """Return ENC, MAC and DEK of a file, one after the other; factory keys without one."""
    value = _hexadecimal(file) if file else 3 * _FACTORY_KEY
    if len(value) not in (48, 72, 96):
        raise click.UsageError(f"{file} must hold three keys of 16, 24 or 32 bytes")
    length = len(value) // 3
    return CardKeys(*(value[at : at + length] for at in range(0, len(value), length)))


@contextmanager
def _own_daemon() -> Iterator[Tks]:
    """Start a daemon with the recordings' keys, until left."""
    with TemporaryDirectory() as name:
        folder = Path(name, "site")
        folder.mkdir()
        site = Site(folder, SoftHsm(Path(name)), batches=())
        with dogtag_site(site) as dogtag, Daemon(site) as daemon:
            daemon.wait_until_ready()
            yield Tks(f"https://{HOST}:{dogtag.port}", tls_settings(site, OPEN))
            daemon.stop()
        site.close()


def _tls(certificate: Path, key: Path, trust: Path) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=trust)
    tls.load_cert_chain(certificate, key)
    return tls


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--url", "urls", multiple=True, help="A TKS, as https://tks.example:8443; several.")
@click.option("--certificate", type=_FILE, help="Of the TPS, a PEM file.")
@click.option("--key", type=_FILE, help="Its private key, a PEM file.")
@click.option("--ca", type=_FILE, help="The CA of the TKS's certificate, a PEM file.")
@click.option("--secret-file", type=_FILE, help="The shared secret, in hexadecimal.")
@click.option("--card-keys-file", type=_FILE, help="ENC, MAC, DEK of all cards; or factory keys.")
@click.option("--protocol", type=click.Choice(["1", "2", "3"]), default="1", show_default=True)
@click.option("--key-set", default="defKeySet", show_default=True)
@click.option("--key-version", type=click.IntRange(1, 255), default=1, show_default=True)
@click.option("--connections", default="1,8,32", show_default=True)
@click.option("--seconds", type=click.FloatRange(0.1), default=5.0, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Where figures go as JSON.")
def main(  # noqa: PLR0913, PLR0917  each is an option
    urls: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    ca: Path | None,
    secret_file: Path | None,
    card_keys_file: Path | None,
    protocol: str,
    key_set: str,
    key_version: int,
    connections: str,
    seconds: float,
    rounds: int,
    file: Path | None,
) -> None:
    """Ask for session keys as fast as it goes, check each answer, and print what came of it."""
    counts = [int(each) for each in connections.split(",")]
    if urls and None in (certificate, key, ca, secret_file):
        raise click.UsageError("--url needs --certificate, --key, --ca and --secret-file")
    secret = _hexadecimal(secret_file) if secret_file else SHARED_SECRET
    if not urls and protocol == "3" and key_set == "defKeySet":
        key_set = "sc7KeySet"  # whose factory keys are the cards', not diversified
    wanted = Wanted(int(protocol), key_set, key_version, _keys(card_keys_file), secret)
    if urls and certificate and key and ca:
        tls = _tls(certificate, key, ca)
        cases = measured([Tks(url, tls) for url in urls], wanted, counts, seconds, rounds)
    else:
        with _own_daemon() as tks:
            cases = measured([tks], wanted, counts, seconds, rounds)
    _show(cases, file)


def _show(cases: Sequence[Case], file: Path | None) -> None:
    console = Console()
    for url, number in _numbers(cases).items():
        console.print(f"TKS {number}: {url}")
    console.print(_table(cases))
    ratios = dict(_ratios(cases))
    for name, ratio in ratios.items():
        console.print(f"{cases[0].tks.url}: {ratio:.2f} times as many sessions over {name}")
    failed = sum((case.failed for case in cases), Counter())
    for words, count in failed.most_common():
        console.print(f"failed {count} times: {words}")
    if file:
        figures = [
            {
                "tks": case.tks.url,
                "connections": case.connections,
                "sessions_per_second": case.rate,
                "milliseconds": dict(
                    zip(("p50", "p90", "p99", "max"), case.milliseconds(), strict=True)
                ),
                "failed": case.failed,
            }
            for case in cases
        ]
        file.write_text(json.dumps({"cases": figures, "ratios": ratios}, indent=2) + "\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""What an SCP03 session costs beside its PKCS#11 calls: `python -m bench.session`.

A C program (session.c) opens channels, up to EXTERNAL AUTHENTICATE; so do a worker's own functions
without a socket, a worker over its socket, and a daemon with one such worker over mutual TLS with
1, 8 and 32 connections that are kept. They take turns in one run. What the worker asks of the token
is written down by a module in front of SoftHSM, and printed. The C program has to ask the very
same: the same calls in the same order, of the same lengths, with the same attributes.

`vault_over_c` is the C program's processor time for a session, divided by that of the worker's
functions: others on the machine change nothing. `api_over_worker` is how many sessions a second
the daemon opens over 32 connections, divided by how many its worker opens alone; daemon, worker
and who asks share the processors, so that `api_over_worker_by_cpu` says what it were if front and
worker had one each: the worker's processor time for a session, divided by the larger of both. The
figures are medians of the rounds, and written to bench/results.json.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
from msgspec import msgpack
from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from bench.asker import Asked, Load
from bench.recording_module import HEADERS, Call, RecordingModule, described
from bench.sides import Program, Turn, Worker, cpu_seconds
from hsm.module import TokenAddress
from tests.site.batches import AES128
from tests.site.channels import CHALLENGES, SESSIONS, initialize_update, session_request
from tests.site.daemon import Daemon
from tests.site.directory import HOST, Site
from tests.site.identities import TPS
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tmsd.config.reserved_keys import CHALLENGE_KEY, CHANNEL_KEY, RECEIPT_KEY
from tmsd.vault.card_messages import (
    Card,
    ChallengeIssued,
    ChannelOpened,
    IssueChallenge,
    OpenChannel,
)

_ROUNDS = 5
_SESSIONS = 1500
_CONNECTIONS = (1, 8, 32)
_TIMES_RECORDED = 9
# Callers are on other machines (flood.py).
_NICE = ("nice", "-n", "10")
_RESULTS = Path(__file__).with_name("results.json")
_MAC_LENGTH = 16
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Example:
    """One session as a worker was asked for it, and as it answered."""

    host_challenge: bytes
    request: OpenChannel
    opened: ChannelOpened
    receipt_length: int

    def to_line(self) -> str:
        """Return what session.c reads: its `struct session`, member by member."""
        card = self.request.card
        ticket, answer = card.ticket or b"", card.initialize_update
        members = (
            ticket[:-_MAC_LENGTH],
            ticket[-_MAC_LENGTH:],
            answer[:10],
            self.host_challenge,
            answer[13:21],
            answer[21:29],
            bytes([_LEVEL]),
            self.opened.session[:-_MAC_LENGTH],
            bytes(self.receipt_length),
        )
        return " ".join(member.hex() for member in members)


def main() -> None:
    """Measure, print the figures, and write them down."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        site = stack.enter_context(_site(folder))
        c_program = _compiled(folder)
        example = _recorded(folder, site, c_program)
        line = example.to_line()
        c = stack.enter_context(closing(Program([*c_program, *_places(site.token)], _input(line))))
        _require_same_channel(c.line(), example)
        request = msgpack.encode(example.request).hex()
        vault = stack.enter_context(
            closing(
                Program(
                    [sys.executable, "-m", "bench.vault_operation", str(site.configuration)],
                    request,
                )
            )
        )
        worker = stack.enter_context(closing(Worker(site.configuration)))
        daemon = stack.enter_context(Daemon(site)).wait_until_ready()
        sides: dict[str, Callable[[], Turn]] = {
            "C": lambda: c.turn(_SESSIONS),
            "vault": lambda: vault.turn(_SESSIONS),
            "worker": lambda: worker.turn(example.request, _SESSIONS),
        }
        for connections in _CONNECTIONS:
            sides[_daemon_side(connections)] = partial(_daemon_turn, site, daemon, connections)
        rounds = [{name: turn() for name, turn in sides.items()} for _ in range(_ROUNDS)]
        daemon.stop()
    _report(rounds)


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    directory = folder / "site"
    directory.mkdir()
    # Challenges are asked for before what is measured.
    limits = "challenge_seconds = 600"
    with closing(Site(directory, SoftHsm(folder), batches=[AES128], limits=limits)) as site:
        yield site


def _compiled(folder: Path) -> list[str]:
    built = folder / "session"
    source = Path(__file__).with_name("session.c")
    subprocess.run(
        ["gcc", "-std=gnu11", "-O2", f"-I{HEADERS}", "-o", built, source, "-ldl"], check=True
    )
    return [str(built)]


def _places(token: TokenAddress) -> list[str]:
    """Return the command line of the C program."""
    labels = (token.label, AES128.key_set, CHALLENGE_KEY, CHANNEL_KEY, RECEIPT_KEY)
    return [str(token.module), *labels]


def _input(line: str) -> str:
    return f"{USER_PIN.decode()}\n{line}"


def _recorded(folder: Path, site: Site, c_program: list[str]) -> Example:
    """Write down and print what one session is to the token; return the session."""
    module = RecordingModule(folder, site.token)
    site.write_configuration(module.token)
    with closing(Worker(site.configuration)) as worker:
        example = _example(worker)
        runs: Counter[tuple[Call, ...]] = Counter()
        for _ in range(_TIMES_RECORDED):  # a probe of the token may come between, now and then
            module.taken()
            worker.ask(example.request)
            runs[tuple(module.taken())] += 1
    site.write_configuration(site.token)
    ((observed, _),) = runs.most_common(1)
    click.echo(f"One session: {len(observed)} calls of the worker")
    click.echo(described(list(observed)))
    os.environ.update(module.token.environment)
    command = [*c_program, *_places(module.token)]
    with closing(Program(command, _input(example.to_line()))) as program:
        program.line()
        module.taken()
        program.turn(1)
        made = module.taken()
    if list(observed) != made:
        raise SystemExit(f"The C program makes {len(made)}, and not the same:\n{described(made)}")
    return example


def _example(worker: Worker) -> Example:
    issued = worker.ask(IssueChallenge(TPS, 8)).answer
    if not isinstance(issued, ChallengeIssued):
        raise SystemExit(f"the worker issued no challenge: {issued}")
    answer = initialize_update(AES128.card(), issued.host_challenge)[:-2]
    card = Card(initialize_update=answer, ticket=issued.ticket)
    request = OpenChannel(TPS, AES128.key_set, card, _LEVEL)
    reply = worker.ask(request)
    if not isinstance(reply.answer, ChannelOpened) or reply.receipt is None:
        raise SystemExit(f"the worker opened no channel: {reply.answer}")
    return Example(issued.host_challenge, request, reply.answer, len(reply.receipt.mac_input()))


def _require_same_channel(external_authenticate: str, example: Example) -> None:
    if external_authenticate != example.opened.external_authenticate.hex():
        raise SystemExit("the C program makes another EXTERNAL AUTHENTICATE than the worker")


def _daemon_turn(site: Site, daemon: Daemon, connections: int) -> Turn:
    """Open channels over the API with cards that answer to as many challenges."""
    issued = asked_of(site, 8, [http_request(CHALLENGES, {"length": 8})] * _SESSIONS).bodies
    requests = []
    for body in issued:
        challenge = json.loads(body)
        answer = initialize_update(AES128.card(), bytes.fromhex(challenge["host_challenge"]))
        card = {
            "initialize_update": answer.hex(),
            "challenge": challenge["challenge"],
            "key_set": AES128.key_set,
        }
        requests.append(http_request(SESSIONS, session_request(card)))
    worker = daemon.workers[0]
    before = cpu_seconds(daemon.pid), cpu_seconds(worker)
    asked = asked_of(site, connections, requests)
    front, vault = cpu_seconds(daemon.pid) - before[0], cpu_seconds(worker) - before[1]
    each = 1e6 / _SESSIONS
    return Turn(asked.seconds * each, vault * each, front * each, asked.cpu_seconds * each)


def asked_of(site: Site, connections: int, requests: list[str]) -> Asked:
    """Have another program ask each request once; all have to be answered by 200."""
    files = site.credentials(TPS)
    load = Load(
        host=HOST,
        port=site.port,
        trust=str(site.credentials("ca").certificate),
        certificate=str(files.certificate),
        private_key=str(files.private_key),
        connections=connections,
        requests=requests,
    )
    command = [*_NICE, sys.executable, "-m", "bench.asker"]
    done = subprocess.run(
        command, input=load.to_line() + "\n", stdout=subprocess.PIPE, text=True, check=True
    )
    asked = Asked.from_line(done.stdout.splitlines()[-1])
    if asked.statuses != {"200": len(requests)}:
        raise SystemExit(f"the daemon answered {asked.statuses}")
    return asked


def http_request(path: str, body: Mapping[str, object]) -> str:
    """Return a POST of JSON as it stands on the wire."""
    content = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n{content}"
    )


def _report(rounds: list[dict[str, Turn]]) -> None:
    ratios = {
        "vault_over_c": _ratio(rounds, "C", "vault"),
        "worker_over_c": _ratio(rounds, "C", "worker"),
    }
    for connections in _CONNECTIONS:
        name = "api" if connections == _CONNECTIONS[-1] else f"api_{connections}"
        side = _daemon_side(connections)
        ratios[f"{name}_over_worker"] = _ratio(rounds, "worker", side, _wall)
        ratios[f"{name}_over_worker_by_cpu"] = _ratio(rounds, "worker", side)
    _print_plot(rounds)
    for name, ratio in ratios.items():
        click.echo(f"{name}: {ratio:.2f}")
    load, processors = os.getloadavg()[0], os.cpu_count()
    click.echo(f"{processors} processors, load {load:.1f}")
    results = {
        **ratios,
        "microseconds": {name: _medians(rounds, name) for name in rounds[0]},
        "rounds": len(rounds),
        "sessions": _SESSIONS,
        "processors": processors,
        "load": load,
    }
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    click.echo(f"written to {_RESULTS}")


def _daemon_side(connections: int) -> str:
    return f"daemon, {connections}"


def _wall(turn: Turn) -> float:
    return turn.wall


def _bottleneck(turn: Turn) -> float:
    """Return what bounds the rate of a pipeline whose processes have a processor each."""
    return max(turn.cpu, turn.front)


def _ratio(
    rounds: list[dict[str, Turn]],
    one: str,
    other: str,
    microseconds: Callable[[Turn], float] = _bottleneck,
) -> float:
    """Return how fast the other side is, as a part of how fast the one is."""
    return median(microseconds(turns[one]) / microseconds(turns[other]) for turns in rounds)


def _medians(rounds: list[dict[str, Turn]], name: str) -> dict[str, float]:
    return {
        part: median(getattr(turns[name], part) for turns in rounds)
        for part in ("wall", "cpu", "front", "asker")
    }


def _print_plot(rounds: list[dict[str, Turn]]) -> None:
    """Print sessions a second, each with a bar."""
    table = Table("", "a second", "", "µs", "CPU", "front", "asker", box=None)
    figures = {name: _medians(rounds, name) for name in rounds[0]}
    best = min(each["wall"] for each in figures.values())
    for name, each in figures.items():
        parts = [f"{each[part]:.0f}" if each[part] else "" for part in each]
        rate = f"{1e6 / each['wall']:.0f}"
        table.add_row(name, rate, Bar(1, 0, best / each["wall"], width=40), *parts)
    Console().print(table)


if __name__ == "__main__":
    main()

"""[operations] of tmsd.toml."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tmsd.config.daemon import DaemonConfig

Daemon = Callable[..., DaemonConfig]
Refusal = Callable[..., list[str]]

LONGEST = "/" + 99 * "s"


def test_a_relative_path_starts_at_the_directory_of_the_file(
    daemon: Daemon, tmp_path: Path
) -> None:
    config = daemon(operations='socket = "o"')

    assert config.operations.socket == tmp_path / "o"


@pytest.mark.parametrize("table", [{}, {"operations": ""}], ids=["no table", "empty"])
def test_there_need_not_be_a_socket(daemon: Daemon, table: dict[str, str]) -> None:
    assert daemon(**table).operations.socket is None


def test_a_path_may_have_100_bytes(daemon: Daemon) -> None:
    assert daemon(operations=f'socket = "{LONGEST}"').operations.socket == Path(LONGEST)


def test_a_longer_path_is_refused_whatever_its_characters(daemon: Daemon, refusal: Refusal) -> None:
    longer = "/" + 50 * "ö"

    assert refusal(daemon, operations=f'socket = "{longer}"') == [
        (
            "15: operations.socket: must be a path of at most 100 bytes, counted from the root, "
            f"as sockets have short ones; {longer} has 101"
        )
    ]


def test_what_is_no_path_is_refused(daemon: Daemon, refusal: Refusal) -> None:
    assert refusal(daemon, operations="socket = 8080") == [
        "15: operations.socket: must be a path in quotes, not 8080"
    ]

"""[hsm] of tmsd.toml."""

from collections.abc import Callable

import pytest

from tmsd.config.daemon import DaemonConfig

Daemon = Callable[..., DaemonConfig]
Refusal = Callable[..., list[str]]

TOKEN = 'module = "/lib/p11.so"\ntoken_label = "tmsd"\n'
PIN = 'pin_credential = "hsm-pin"\n'


def test_the_pin_is_in_a_file_or_in_a_credential(daemon: Daemon) -> None:
    by_file = daemon(hsm=TOKEN + 'pin_file = "/etc/pin"').hsm
    assert (str(by_file.pin_file), by_file.pin_credential) == ("/etc/pin", None)
    by_credential = daemon(hsm=TOKEN + PIN).hsm
    assert (by_credential.pin_file, by_credential.pin_credential) == (None, "hsm-pin")


def test_a_token_without_a_pin_is_refused(daemon: Daemon, refusal: Refusal) -> None:
    assert refusal(daemon, hsm=TOKEN) == [
        "6: hsm: needs pin_file or pin_credential, to say where the PIN is"
    ]


def test_two_places_for_one_pin_are_refused(daemon: Daemon, refusal: Refusal) -> None:
    assert refusal(daemon, hsm=TOKEN + PIN + 'pin_file = "pin"') == [
        "9: hsm.pin_credential: stands beside pin_file: keep one of the two"
    ]


def test_the_module_s_variables_are_passed_on_as_they_stand(daemon: Daemon) -> None:
    variables = 'environment = { SOFTHSM2_CONF = "a/b.conf", X1 = "" }'
    assert daemon(hsm=TOKEN + PIN + variables).hsm.environment == {
        "SOFTHSM2_CONF": "a/b.conf",
        "X1": "",
    }
    assert daemon().hsm.environment == {}


@pytest.mark.parametrize("name", ["HSM_PIN", "PASSWORD", "P11_PASSWORD_FILE", "MY_SECRET"])
def test_variables_with_the_name_of_a_secret_are_refused_with_the_reason(
    daemon: Daemon, refusal: Refusal, name: str
) -> None:
    assert refusal(daemon, hsm=TOKEN + PIN + f'[hsm.environment]\n{name} = "1234"') == [
        (
            f"11: hsm.environment.{name}: has the name of a secret, and other processes can read "
            "an environment: use pin_file or pin_credential"
        )
    ]


@pytest.mark.parametrize("name", ["lower", "1A", '""', '"A B"', '"A="'])
def test_what_cannot_name_a_variable_is_refused(
    daemon: Daemon, refusal: Refusal, name: str
) -> None:
    (line,) = refusal(daemon, hsm=TOKEN + PIN + f"environment = {{ {name} = '' }}")
    assert line.startswith(f"10: hsm.environment.{name}: is not the name of a variable")


def test_a_variable_s_value_is_text_without_zero_bytes(daemon: Daemon, refusal: Refusal) -> None:
    assert refusal(daemon, hsm=TOKEN + PIN + 'environment = { A = 1, B = "\\u0000" }') == [
        "10: hsm.environment.A: must be text in quotes, not 1",
        "10: hsm.environment.B: must not hold a zero byte, which ends a variable",
    ]


@pytest.mark.parametrize(
    ("key", "longest"),
    [("token_label", "ä" * 16), ("token_label", "x" * 32), ("token_serial", "0" * 16)],
)
def test_label_and_serial_are_counted_in_bytes(
    daemon: Daemon, refusal: Refusal, key: str, longest: str
) -> None:
    table = 'module = "m"\n' + PIN + ('token_label = "t"\n' if key != "token_label" else "")
    assert getattr(daemon(hsm=f'{table}{key} = "{longest}"').hsm, key) == longest
    (line,) = refusal(daemon, hsm=f'{table}{key} = "{longest}x"')
    assert f"hsm.{key}: must be 1 to {len(longest.encode())} bytes of plain text" in line


@pytest.mark.parametrize("name", [".", "..", "a/b", "", "a b", "x" * 256])
def test_what_cannot_name_a_credential_is_refused(
    daemon: Daemon, refusal: Refusal, name: str
) -> None:
    (line,) = refusal(daemon, hsm=TOKEN + f'pin_credential = "{name}"')
    assert line.startswith("9: hsm.pin_credential: must be the name of a systemd credential")
    assert len(line) < 200

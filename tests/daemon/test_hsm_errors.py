"""Every error of every PKCS#11 function on the way of a card: a refusal at most, and then on.

The errors come from a module that stands before SoftHSM (tests/softhsm/faulty_module.py). A card
desk takes a card all the way meanwhile: whatever it is told is right, or 503 `hsm-unavailable`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.site.channels import KEY_SETS
from tests.site.daemon import wait_until
from tests.site.faulty import LOSING, FaultySite, faulty_site
from tests.softhsm.faulty_module import RETURN_VALUES
from tests.softhsm.tokens import SoftHsm

# What every answer takes; what looking after the token takes; what each login takes; and what
# the start of a worker takes beside that.
ANSWERING = (
    *("C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt", "C_SignInit", "C_Sign"),
    *("C_DeriveKey", "C_WrapKey", "C_DestroyObject", "C_GenerateRandom"),
)
PROBING = ("C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal", "C_GetAttributeValue")
LOGGING_IN = (
    *("C_Finalize", "C_Initialize", "C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo"),
    *("C_OpenSession", "C_Login", "C_CreateObject"),
)
STARTING = ("C_GetInfo", "C_GenerateKey")

# python-pkcs11 has an exception for each of these, or none, or makes something of it itself.
OF_EACH_KIND = (
    "CKR_DEVICE_REMOVED",
    "CKR_HOST_MEMORY",
    "CKR_FUNCTION_FAILED",
    "CKR_CRYPTOKI_NOT_INITIALIZED",
)


@pytest.fixture(scope="module")
def running(
    softhsm: SoftHsm, faulty_module_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultySite]:
    directory = tmp_path_factory.mktemp("site")
    with faulty_site(directory, softhsm, faulty_module_file) as site:
        yield site


@pytest.fixture
def faulty(running: FaultySite) -> Iterator[FaultySite]:
    """A site that serves before and after."""
    running.recover()
    yield running
    running.recover()


def met_since(faulty: FaultySite, function: str, before: int) -> Callable[[], bool]:
    return lambda: faulty.module.met(function) > before


@pytest.mark.parametrize("function", ANSWERING)
def test_a_single_error_costs_an_answer_at_most(faulty: FaultySite, function: str) -> None:
    for result in RETURN_VALUES:
        before = faulty.module.met(function)
        faulty.module.fail(function, result, 1)

        faulty.desk.serve_a_card()

        assert faulty.module.met(function) == before + 1, result


@pytest.mark.parametrize("function", [*ANSWERING, *PROBING])
def test_errors_that_last_are_a_503_until_they_end(faulty: FaultySite, function: str) -> None:
    for result in OF_EACH_KIND:
        before = faulty.module.met(function)
        faulty.module.fail(function, result)
        faulty.wait_until_refused()
        assert faulty.module.met(function) > before, result

        faulty.recover()


@pytest.mark.parametrize("function", LOGGING_IN)
def test_errors_of_a_login_anew_are_a_503_until_they_end(faulty: FaultySite, function: str) -> None:
    for result in OF_EACH_KIND:
        before = faulty.module.met(function)
        faulty.module.fail(function, result)
        faulty.module.fail(LOSING, "CKR_DEVICE_REMOVED", 1)
        faulty.wait_until_refused()
        wait_until(met_since(faulty, function, before))

        faulty.recover()


@pytest.mark.parametrize("function", [*LOGGING_IN[1:], *STARTING, *PROBING])
def test_errors_while_a_worker_starts_are_a_503_until_they_end(
    faulty: FaultySite, function: str
) -> None:
    before = faulty.module.met(function)
    faulty.module.fail(function, "CKR_DEVICE_ERROR")
    faulty.running.daemon.kill_worker()
    faulty.wait_until_refused()
    wait_until(met_since(faulty, function, before))

    faulty.recover()


def test_a_module_that_cannot_be_finalized_is_left_to_another_process(faulty: FaultySite) -> None:
    daemon = faulty.running.daemon
    worker = daemon.worker
    faulty.module.fail("C_Finalize", "CKR_GENERAL_ERROR")
    faulty.module.fail(LOSING, "CKR_DEVICE_REMOVED", 1)

    faulty.desk.serve_a_card()

    assert "after GeneralError in C_Finalize; it takes another process" in daemon.log
    assert daemon.worker not in (worker, None)


def test_a_module_that_was_finalized_with_an_error_is_initialised_anew(faulty: FaultySite) -> None:
    worker = faulty.running.daemon.worker
    faulty.module.fail("C_Finalize", "CKR_DEVICE_REMOVED", afterwards=True)
    faulty.module.fail(LOSING, "CKR_DEVICE_REMOVED", 1)

    faulty.desk.serve_a_card()

    assert faulty.running.daemon.worker == worker


def test_a_key_that_was_used_while_the_token_was_away_for_a_moment_is_found_again(
    faulty: FaultySite,
) -> None:
    """SoftHSM does not find such a key any more, though it finds all others."""
    healed = "is not found any more"

    def goes_away_for_a_moment() -> bool:
        # The probe that follows the failure finds the token back, unless one was due just now.
        faulty.module.delay("C_GetAttributeValue", 0.3, 3)
        with faulty.running.caller() as caller, faulty.running.site.token_taken_away():
            assert caller.get(KEY_SETS).code == "hsm-unavailable"
        faulty.recover()
        return healed in faulty.running.daemon.log

    wait_until(goes_away_for_a_moment)


def test_a_key_is_not_taken_for_one_without_attributes_that_the_token_failed_to_tell(
    faulty: FaultySite,
) -> None:
    """python-pkcs11 asks for each by itself, and goes on without those that it is not told."""
    for untold in range(2, 14):
        faulty.module.fail("C_GetAttributeValue", "CKR_FUNCTION_FAILED", untold)
        faulty.desk.serve_a_card()

        faulty.module.fail(LOSING, "CKR_DEVICE_REMOVED", 1)
        faulty.wait_until_refused()
        faulty.module.fail("C_GetAttributeValue", "CKR_FUNCTION_FAILED", untold)
        faulty.desk.serve_a_card()

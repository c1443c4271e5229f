"""The vectors themselves: whoever reads one can go to where it comes from."""

import pytest

from tests.vectors import DIRECTORY, read

FILES = sorted(path.name for path in DIRECTORY.glob("*.json"))
# The virtual card's own selection, by tests/virtual_token/traces.py, names sources alone.
OF_CARDS = [name for name in FILES if name.startswith("card_")]
OF_HOSTS = [name for name in FILES if name not in OF_CARDS]


@pytest.mark.parametrize("file", FILES)
def test_every_vector_has_an_id_of_its_own_and_a_source(file: str) -> None:
    vectors = read(file)

    assert len({vector["id"] for vector in vectors}) == len(vectors) > 0
    assert all(len(vector["source"]) > 10 for vector in vectors)


@pytest.mark.parametrize("file", OF_HOSTS)
def test_generated_vectors_never_stand_among_published_ones(file: str) -> None:
    if file.startswith("generated_"):
        origin = "generated"
    elif file.endswith("_host.json"):
        origin = "host-run"
    else:
        origin = "published"

    assert {vector["origin"] for vector in read(file)} == {origin}


@pytest.mark.parametrize("file", FILES)
def test_vectors_are_small_enough_to_be_read(file: str) -> None:
    assert (DIRECTORY / file).stat().st_size < 64 * 1024

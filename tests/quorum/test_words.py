"""Words that are read aloud, against figures that others published."""

from tmsd.quorum.words import rows, words


def test_the_example_of_the_list_comes_out() -> None:
    # Wikipedia, "PGP word list", section "Examples".
    spoken = words(bytes.fromhex("E58294F2E9A227486E8B061B31CC528FD7FA3F19"))

    assert spoken == (
        "topmost istanbul pluto vagabond treadmill pacific brackish dictator goldfish medusa "
        "afflict bravado chatter revolver dupont midsummer stopwatch whimsical cowbell bottomless"
    )


def test_each_byte_has_a_word_of_its_own_at_either_place() -> None:
    pairs = [words(bytes([byte, byte])).split() for byte in range(256)]

    assert len({word for pair in pairs for word in pair}) == 512


def test_they_are_read_in_numbered_rows_of_four() -> None:
    assert list(rows(bytes.fromhex("E58294F2E9A2"))) == [
        "  1  topmost      istanbul     pluto        vagabond",
        "  2  treadmill    pacific",
    ]

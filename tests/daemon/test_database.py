"""Daemons over PostgreSQL: they share it, refuse while it is away, and serve again."""

from itertools import cycle

from tests.postgresql.cluster import Cluster
from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.channels import SESSIONS, VERIFY, forged, presented, session_request
from tests.site.contract import Answer
from tests.site.fixtures import Run
from tests.site.identities import TPS
from tests.virtual_token.card import Card


def test_a_server_that_is_restarted_is_reached_again(run: Run, own_postgresql: Cluster) -> None:
    url = own_postgresql.url(own_postgresql.make_database())
    site = run(store=f'url = "{url}"')
    with site.caller(TPS) as caller:
        cards = [presented(caller, AES128, AES128.card()) for _ in range(3)]
        assert caller.post(SESSIONS, session_request(cards[0])).status == 200

        own_postgresql.kill()
        refused = caller.post(SESSIONS, session_request(cards[1]))
        assert (refused.status, refused.code) == (503, "store-unavailable")
        own_postgresql.start()

        assert caller.post(SESSIONS, session_request(cards[2])).status == 200
        again = caller.post(SESSIONS, session_request(cards[2]))
        assert again.code == "challenge-used"


def test_a_card_has_no_more_tries_with_two_daemons_than_with_one(
    run: Run, postgresql: Cluster
) -> None:
    database = postgresql.make_database()
    sites = [run(store=f'url = "{postgresql.url(database)}"') for _ in range(2)]
    card, told = AES128.card(), 0
    with sites[0].caller(TPS) as one, sites[1].caller(TPS) as other:
        turns = cycle((one, other))
        while (tried := forgery(next(turns), card)).status == 200:
            told += 1
        assert tried.code == "backing-off"
        with postgresql.connect(database) as connection:
            counts = connection.execute("SELECT failures FROM card_failures").fetchall()
        assert counts == [(told,)]

        body = session_request(presented(other, AES128, card))
        while (genuine := other.post(SESSIONS, body)).code == "backing-off":
            pass
        assert genuine.status == 200


def forgery(caller: Caller, card: Card) -> Answer:
    answer = caller.post(VERIFY, {"card": forged(caller, AES128, card)})
    assert answer.status == 429 or answer.document == {"valid": False}
    return answer

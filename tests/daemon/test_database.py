"""A daemon over PostgreSQL: it serves, refuses while the server is away, and serves again."""

from tests.postgresql.cluster import Cluster
from tests.site.batches import AES128
from tests.site.channels import SESSIONS, presented, session_request
from tests.site.fixtures import Run
from tests.site.identities import TPS


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

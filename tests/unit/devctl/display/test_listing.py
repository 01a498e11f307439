"""The live list."""

from devctl.client import DevServer
from devctl.display import listing
from tests.unit.devctl.objects import CLIENT, NOW, assert_inert, hostile, printed


def test_a_hostile_devserver_is_inert_in_the_live_list() -> None:
    board = listing.Board({"u": DevServer(CLIENT, hostile())})
    assert_inert(printed(board.rendered(True, True, NOW)))

"""Work that is asked for often and done at most once in a while."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds.flavor.debounce import Debouncer
from tests.clock import Clock


def test_the_first_time_is_at_once_and_the_next_when_the_time_is_over() -> None:
    clock = Clock()
    debouncer = Debouncer(clock, 2.0)
    assert debouncer.next_s() is None
    debouncer.touch("a")
    assert debouncer.next_s() == 0.0
    assert debouncer.take() == ["a"]
    assert debouncer.take() == []
    clock.now += 0.5
    debouncer.touch("a")
    debouncer.touch("a")
    assert debouncer.next_s() == 1.5
    assert debouncer.take() == []
    clock.now += 1.5
    assert debouncer.take() == ["a"]
    assert debouncer.next_s() is None


def test_names_do_not_wait_for_each_other() -> None:
    clock = Clock()
    debouncer = Debouncer(clock, 2.0)
    debouncer.touch("a")
    debouncer.take()
    debouncer.touch("a")
    debouncer.touch("b")
    assert debouncer.take() == ["b"]


def test_what_is_gone_is_forgotten() -> None:
    clock = Clock()
    debouncer = Debouncer(clock, 2.0)
    debouncer.touch("a")
    debouncer.forget("a")
    debouncer.forget("b")
    assert debouncer.take() == []
    debouncer.touch("a")
    assert debouncer.take() == ["a"]


@given(st.lists(st.floats(0, 5), max_size=60))
def test_whatever_comes_when_nothing_is_missed_and_nothing_is_done_too_often(pauses_s: list[float]) -> None:
    clock = Clock()
    debouncer = Debouncer(clock, 2.0)
    touched, done = [], []

    def pass_time(until: float) -> None:
        while (left_s := debouncer.next_s()) is not None and clock.now + left_s <= until:
            clock.now += left_s
            if debouncer.take():
                done.append(clock.now)
        clock.now = until

    for pause_s in pauses_s:
        pass_time(clock.now + pause_s)
        debouncer.touch("a")
        touched.append(clock.now)
    pass_time(clock.now + 10)
    assert all(later - earlier >= 2.0 - 1e-9 for earlier, later in pairwise(done))
    assert all(any(when <= at <= when + 2.0 + 1e-9 for at in done) for when in touched)

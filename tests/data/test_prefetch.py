"""batches.prefetch: a generator in its own thread."""

import threading
import time

import pytest

from mtl.data import batches


def prefetch_threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def wait_until(condition):
    end = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)


class Counter:
    """A generator of 0, 1, 2, ... that records its progress, its closing and its thread."""

    def __init__(self, fail_at=None):
        self.made, self.closed, self.threads = 0, 0, set()
        self.fail_at = fail_at

    def __call__(self):
        try:
            while True:
                self.threads.add(threading.current_thread().name)
                if self.made == self.fail_at:
                    raise ValueError(f"item {self.made} is broken")
                self.made += 1
                yield self.made - 1
        finally:
            self.closed += 1


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_keeps_the_order_and_works_ahead_in_its_own_thread(depth):
    counter = Counter()
    ahead = batches.prefetch(counter(), depth)
    assert not prefetch_threads(), "the thread starts with the first item"
    assert [next(ahead) for _ in range(9)] == list(range(9))
    wait_until(lambda: counter.made == 9 + depth + 1)  # `depth` in the queue and one in hand
    time.sleep(0.15)
    assert counter.made == 9 + depth + 1, "no further ahead"
    assert counter.threads == {"prefetch"}
    ahead.close()
    assert not prefetch_threads()
    assert counter.closed == 1


def test_raises_an_error_of_the_iterator_after_the_items_before_it():
    counter = Counter(fail_at=4)
    ahead = batches.prefetch(counter())
    assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="item 4 is broken"):
        next(ahead)
    assert not prefetch_threads()
    assert counter.closed == 1


def test_close_closes_the_iterator():
    counter = Counter()
    iterator = counter()  # a second reference: it is not closed by garbage collection
    ahead = batches.prefetch(iterator)
    assert next(ahead) == 0
    wait_until(lambda: counter.made == 4)  # the queue is full
    assert not counter.closed
    ahead.close()
    assert counter.closed == 1
    assert not prefetch_threads()


def test_close_drops_an_error_in_the_queue():
    counter = Counter(fail_at=2)
    ahead = batches.prefetch(counter())
    assert next(ahead) == 0
    wait_until(lambda: counter.closed == 1)
    ahead.close()
    assert not prefetch_threads()


def test_close_before_the_first_item_starts_nothing():
    counter = Counter()
    batches.prefetch(counter()).close()
    assert not prefetch_threads()
    assert counter.made == 0


def test_ends_on_request_while_no_item_is_ready():
    stuck, calls = threading.Event(), []

    def items():
        yield 0
        stuck.wait(30.0)

    def stop():
        calls.append(1)
        return len(calls) > 2

    ahead = batches.prefetch(items(), stop=stop)
    assert next(ahead) == 0
    assert not calls
    threading.Timer(0.5, stuck.set).start()  # the generator joins its thread
    assert next(ahead, None) is None
    assert len(calls) == 3


def test_abandons_a_blocked_thread(monkeypatch):
    monkeypatch.setattr(batches, "JOIN_SECONDS", 0.2)
    stuck = threading.Event()
    ahead = batches.prefetch((stuck.wait(30.0) for _ in range(2)), stop=lambda: 1)
    assert next(ahead, None) is None
    assert len(prefetch_threads()) == 1
    stuck.set()
    wait_until(lambda: not prefetch_threads())


def test_ends_with_its_iterator():
    got = []

    def consume():
        got.extend(batches.prefetch(item for item in range(3)))
        got.append("end")

    # In a thread, so that a missing end fails this test and does not block the others.
    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    consumer.join(1.0)
    assert got == [0, 1, 2, "end"]

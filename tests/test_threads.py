"""Blocks spread over threads: all of them, once, with the caller's settings and errors."""

import threading

import numpy as np
import pytest

import vae_nb.threads
from vae_nb.threads import MOST_THREADS, blas_libraries, blocks_of, for_each, worker_threads


def blas_threads():
    return [library["num_threads"] for library in blas_libraries()]


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_each_item_comes_once(count, inside):
    seen = []
    if inside:
        with worker_threads():
            for_each(seen.append, range(count))
    else:
        for_each(seen.append, range(count))
    assert sorted(seen) == list(range(count))


def pretend_threads(monkeypatch, count):
    monkeypatch.setattr(
        vae_nb.threads, "blas_libraries", lambda: [{"num_threads": count}] if count else []
    )


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (64, MOST_THREADS), (None, None)])
def test_there_are_as_many_threads_as_blas_had_but_four_at_most(count, expected, monkeypatch):
    pretend_threads(monkeypatch, count)
    monkeypatch.setattr("os.cpu_count", lambda: 3)  # where no BLAS is known
    expected = expected or 3
    together = threading.Barrier(expected)
    names = set()

    def meet(_):
        together.wait(timeout=30)  # all of them work at the same time, or this breaks
        names.add(threading.current_thread().name)

    with worker_threads():
        for_each(meet, range(expected))
    assert len(names) == expected
    assert threading.current_thread().name in names


def test_blas_has_one_thread_within_and_its_own_number_after():
    before = blas_threads()
    with worker_threads():
        assert set(blas_threads()) == {1}
        with worker_threads():  # a training inside of it, for example
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
        assert vae_nb.threads._workers.pool is not None
    assert blas_threads() == before
    assert vae_nb.threads._workers.pool is None


def test_an_error_reaches_the_caller_and_ends_the_threads(monkeypatch):
    pretend_threads(monkeypatch, 2)

    def fail(item):
        raise ValueError(f"item {item}")

    threads = threading.active_count()
    with pytest.raises(ValueError, match="item"), worker_threads():
        for_each(fail, range(4))
    assert threading.active_count() == threads
    assert vae_nb.threads._workers.pool is None


def test_the_callers_error_settings_hold_in_every_thread(monkeypatch):
    pretend_threads(monkeypatch, 2)
    together = threading.Barrier(2)

    def divide(_):
        together.wait(timeout=30)
        np.ones(3) / np.zeros(3)

    with worker_threads():
        with np.errstate(divide="ignore"):
            for_each(divide, range(2))  # a warning would be an error here
        with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
            for_each(divide, range(2))


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (10, 3), (7, 100), (12, 4), (0, 5)])
def test_blocks_are_all_rows_in_order(rows, width, monkeypatch):
    monkeypatch.setattr(vae_nb.threads, "BLOCK", 12)
    blocks = blocks_of(rows, width)
    assert [row for block in blocks for row in range(rows)[block]] == list(range(rows))
    assert all(block.stop - block.start <= max(1, 12 // width) for block in blocks)

"""Blocks spread over threads: all of them, once, with the caller's settings and errors."""

import threading

import numpy as np
import pytest

import vae_nb.core.blocks
from vae_nb.core.blocks import (
    MAX_THREADS,
    blas_libraries,
    blocks_of,
    for_each,
    in_blocks,
    matmul,
    matrix_in,
    product_blocks,
    worker_threads,
)


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
        vae_nb.core.blocks, "blas_libraries", lambda: [{"num_threads": count}] if count else []
    )


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (64, MAX_THREADS), (None, None)])
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
        assert vae_nb.core.blocks._workers.get()[1] == expected
        for_each(meet, range(expected))
    assert len(names) == expected
    assert threading.current_thread().name in names


@pytest.mark.skipif(not blas_libraries(), reason="threadpoolctl does not know this BLAS")
def test_blas_has_one_thread_within_and_its_own_number_after():
    before = blas_threads()
    with worker_threads():
        assert set(blas_threads()) == {1}
        with worker_threads():  # a training inside of it, for example
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
        assert vae_nb.core.blocks._workers.get()[0] is not None
    assert blas_threads() == before
    assert vae_nb.core.blocks._workers.get() == (None, 1)


def test_a_helpers_error_reaches_the_caller_and_ends_the_threads(monkeypatch):
    pretend_threads(monkeypatch, 2)
    together = threading.Barrier(2)

    def fail(item):
        together.wait(timeout=30)
        if threading.current_thread() is not threading.main_thread():
            raise ValueError(f"item {item}")

    threads = threading.active_count()
    with pytest.raises(ValueError, match="item"), worker_threads():
        for_each(fail, range(2))
    assert threading.active_count() == threads
    assert vae_nb.core.blocks._workers.get() == (None, 1)


def test_an_interrupt_waits_for_the_helpers_and_is_not_hidden_by_their_errors(monkeypatch):
    pretend_threads(monkeypatch, 3)
    together = threading.Barrier(3)
    working = threading.Event()
    finished = []

    def interrupt(_):
        together.wait(timeout=30)
        if threading.current_thread() is threading.main_thread():
            working.set()
            raise KeyboardInterrupt
        working.wait(timeout=30)
        finished.append(True)
        raise ValueError("too late")

    with worker_threads():
        with pytest.raises(KeyboardInterrupt):
            for_each(interrupt, range(3))
        assert len(finished) == 2  # already here, not only after the pool's end


def test_two_trainings_at_once_have_pools_of_their_own(monkeypatch):
    pretend_threads(monkeypatch, 2)
    sums = {1: [], 2: []}

    def work(number):
        with worker_threads():
            for _ in range(200):
                for_each(sums[number].append, range(5))

    trainings = [threading.Thread(target=work, args=(number,)) for number in sums]
    for training in trainings:
        training.start()
    for training in trainings:
        training.join()
    assert [sum(items) for items in sums.values()] == [2000, 2000]


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


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_rows_in_blocks_are_all_rows(rows, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", 50)
    one, other = np.random.default_rng(0).random((2, rows, 6))
    with worker_threads():
        found = in_blocks(lambda a, b: np.sum(a * b, axis=1), np.empty(rows), one, other)
    np.testing.assert_array_equal(found, np.sum(one * other, axis=1))


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (10, 3), (7, 100), (12, 4), (0, 5)])
def test_blocks_are_all_rows_in_order(rows, width, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", 12)
    blocks = blocks_of(rows, width)
    assert [row for block in blocks for row in range(rows)[block]] == list(range(rows))
    assert all(block.stop - block.start <= max(1, 12 // width) for block in blocks)


MATRIX_SHAPES = [(50, 3), (3, 50), (7, 7), (1, 9), (9, 1), (1, 1)]


@pytest.mark.parametrize("layout", ["as laid out", "rows first", "columns first", "neither"])
@pytest.mark.parametrize("block", [1, 7, 30, 10**6])
@pytest.mark.parametrize(("rows", "columns"), MATRIX_SHAPES)
def test_a_product_in_blocks_is_the_product(rows, columns, block, layout, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", block)
    rng = np.random.default_rng(0)
    x, values = rng.normal(size=(4, rows)), rng.normal(size=(rows, columns))
    if layout == "as laid out":
        matrix = matrix_in(np.empty(values.size), rows, columns)
        matrix[:] = values
    elif layout == "neither":
        matrix = np.repeat(np.repeat(values, 2, axis=0), 2, axis=1)[::2, ::2]
    else:
        matrix = np.asarray(values, order="C" if layout == "rows first" else "F")
    np.testing.assert_allclose(matmul(x, matrix), x @ values, rtol=1e-12)
    with worker_threads():
        np.testing.assert_allclose(matmul(x, matrix), x @ values, rtol=1e-12)


@pytest.mark.parametrize("block", [1, 7, 10**6])
@pytest.mark.parametrize(("rows", "columns"), MATRIX_SHAPES)
def test_the_blocks_of_a_product_follow_each_other_in_memory(rows, columns, block, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", block)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, rows)), rng.normal(size=(4, columns))
    flat = np.empty(rows * columns)
    matrix = matrix_in(flat, rows, columns)
    blocks = product_blocks(lambda: (a, b), matrix)
    assert [i for where, _ in blocks for i in range(flat.size)[where]] == list(range(flat.size))
    for where, compute in blocks:
        compute(flat[where])
    np.testing.assert_allclose(matrix, a.T @ b, rtol=1e-12)

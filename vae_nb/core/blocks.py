"""How the work on large arrays is cut into blocks and spread over the processor's cores.

The other modules say what is computed; this one makes it fast. A block is small enough to stay in
the processor's caches, and several threads share the blocks: NumPy releases Python's global lock
(the GIL) while it computes. BLAS libraries bring threads of their own, which wait for their next
product in a busy loop and would take the cores from ours. So while our threads work, BLAS uses one.
"""

import contextvars
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from threadpoolctl import threadpool_info, threadpool_limits

# Elements in a block: a megabyte of float32. An update works on a handful of blocks at a time, and
# they fit into the last-level cache. With much smaller blocks, the threads would spend their time
# waiting for the GIL.
BLOCK = 262144

# Each operation on a block holds the GIL for about a tenth of its time. With many more threads than
# this, some of them would always be waiting for it.
MAX_THREADS = 4

# A sum over many rows is taken in this many parts, however many threads there are, so that its
# rounding does not depend on them.
PARTS = 8

# The pool, and how many threads share the work: the caller's own and those of the pool.
Workers = tuple[ThreadPoolExecutor | None, int]
_workers: contextvars.ContextVar[Workers] = contextvars.ContextVar("workers", default=(None, 1))

# A piece of a flat array: where it is in the array, and a function that computes it into an array
# of its size.
Block = tuple[slice, Callable[[NDArray], object]]


# --- threads ---


def blas_libraries() -> list[dict[str, Any]]:
    """Describe the BLAS libraries that NumPy has loaded, in threadpoolctl's words."""
    np.zeros((1, 1)) @ np.zeros((1, 1))  # a library is listed once it is loaded
    return [entry for entry in threadpool_info() if entry["user_api"] == "blas"]


def blas_description() -> dict[str, Any]:
    """Describe the BLAS library that NumPy uses here, and its number of threads.

    Returns
    -------
    dict
        "blas": name, version and kernel, for example "openblas 0.3.30 Haswell". "threads": int, or
        None where the library is unknown.
    """
    libraries = blas_libraries()
    if not libraries:
        return {"blas": "unknown", "threads": None}
    library = libraries[0]
    parts = [library["internal_api"], library.get("version"), library.get("architecture")]
    return {
        "blas": " ".join(part for part in parts if part),
        "threads": library["num_threads"],
    }


def in_threads() -> bool:
    """Whether the caller is within `worker_threads`."""
    pool, _ = _workers.get()
    return pool is not None


@contextmanager
def worker_threads() -> Iterator[None]:
    """Within this context, `for_each` uses several threads, and BLAS uses one.

    There are as many threads as BLAS had (the environment's OPENBLAS_NUM_THREADS, for example), but
    at most four. The number of threads does not change what is computed, to the bit.

    A BLAS library that threadpoolctl does not know keeps its own threads. Then there are as many
    threads as the machine has cores, at most four.
    """
    if in_threads():
        yield
        return
    blas_threads = [library["num_threads"] for library in blas_libraries()]
    threads = max(blas_threads, default=os.cpu_count() or 1)
    threads = min(threads, MAX_THREADS)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        token = _workers.set((pool, threads))
        try:
            yield
        finally:
            _workers.reset(token)


def for_each(function: Callable[[Any], object], items: Sequence[Any]) -> None:
    """Call a function with each item, in no particular order.

    Within `worker_threads`, calls run at the same time, so each call must write to a place of its
    own.
    """
    remaining = deque(items)

    def work() -> None:
        while True:
            try:
                item = remaining.popleft()
            except IndexError:  # none is left
                return
            function(item)

    pool, threads = _workers.get()
    helpers = []
    if pool is not None:
        for _ in range(min(threads, len(items)) - 1):
            # NumPy's error settings (np.errstate) are part of the caller's context.
            helpers.append(pool.submit(contextvars.copy_context().run, work))
    try:
        work()
    finally:
        wait(helpers)  # even after an error, no helper may still be writing
    for helper in helpers:
        helper.result()  # raises what the helper raised


# --- blocks ---


def blocks_of(rows: int, width: int) -> list[slice]:
    """Cut an array of shape (rows, width) into blocks of whole rows, of about `BLOCK` elements."""
    step = max(1, BLOCK // width)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def in_blocks(function: Callable[..., NDArray], out: NDArray, *arrays: NDArray) -> NDArray:
    """Compute the rows of an array from the same rows of other arrays, several rows at a time.

    Parameters
    ----------
    function : callable
        Takes some rows of each of the arrays and returns those rows of `out`.
    out : ndarray, shape (n, ...)
        Filled, and returned.
    arrays : ndarrays, shape (n, width)
    """

    def compute(rows: slice) -> None:
        out[rows] = function(*(array[rows] for array in arrays))

    # The factor 4 leaves room in the cache for the function's temporary arrays.
    for_each(compute, blocks_of(len(out), 4 * arrays[0].shape[1]))
    return out


def sum_over_blocks(
    function: Callable[[slice], NDArray],
    blocks: Sequence[slice],
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> NDArray:
    """Sum the arrays that a function returns for the blocks.

    Parameters
    ----------
    function : callable
        Takes a block and returns an array of this shape.
    blocks : sequence of slice
        For example from `blocks_of`.
    """
    sums = np.zeros((min(PARTS, len(blocks)), *shape), dtype)

    def add_blocks(part: int) -> None:
        for block in blocks[part::PARTS]:
            sums[part] += function(block)

    for_each(add_blocks, range(len(sums)))
    return np.sum(sums, axis=0)


# --- matrices ---


def matrix_in(flat: NDArray, rows: int, columns: int) -> NDArray:
    """View a flat array as a matrix of shape (rows, columns), laid out for `matmul`.

    The longer side comes first in memory: `matmul` goes over it block by block, and a block is read
    fastest where it lies in one piece.
    """
    if columns > rows:
        return flat.reshape(columns, rows).T
    return flat.reshape(rows, columns)


def matmul(x: NDArray, matrix: NDArray) -> NDArray:
    """Multiply a batch by a matrix: `x @ matrix`, block by block.

    Parameters
    ----------
    x : ndarray, shape (batch, rows)
    matrix : ndarray, shape (rows, columns)

    Returns
    -------
    ndarray, shape (batch, columns)
    """
    if matrix.flags.c_contiguous:
        return _sum_over_rows(x, matrix)
    return _column_by_column(x, matrix)


def _sum_over_rows(x: NDArray, matrix: NDArray) -> NDArray:
    """x @ matrix, where the rows of the matrix lie one after another in memory."""
    dtype = np.result_type(x, matrix)
    shape = (len(x), matrix.shape[1])
    return sum_over_blocks(
        lambda rows: x[:, rows] @ matrix[rows], _matrix_blocks(matrix), shape, dtype
    )


def _column_by_column(x: NDArray, matrix: NDArray) -> NDArray:
    """x @ matrix, where the columns of the matrix lie one after another in memory."""
    product = np.empty((len(x), matrix.shape[1]), np.result_type(x, matrix))
    transposed_x = np.ascontiguousarray(x.T)  # (rows, batch)
    transposed_matrix = matrix.T

    def multiply(columns: slice) -> None:
        # For a small batch this is faster than x @ matrix[:, columns].
        product[:, columns] = (transposed_matrix[columns] @ transposed_x).T

    for_each(multiply, _matrix_blocks(transposed_matrix))
    return product


def _matrix_blocks(matrix: NDArray) -> list[slice]:
    """Blocks of rows for our threads to share; all rows at once where BLAS has its own threads."""
    if in_threads():
        return blocks_of(*matrix.shape)
    return [slice(0, len(matrix))]


def product_blocks(
    factors: Callable[[], tuple[NDArray, NDArray]], laid_out_as: NDArray
) -> list[Block]:
    """Cut a product `a.T @ b` into blocks that are computed one at a time.

    The product of two small factors can be a large matrix. An optimizer takes it a block at a time,
    so the whole matrix is never written to memory.

    Parameters
    ----------
    factors : callable
        Returns the factors a and b, of shapes (batch, rows) and (batch, columns). It is called
        again for each block.
    laid_out_as : ndarray, shape (rows, columns)
        A matrix made by `matrix_in`. The blocks are pieces of a flat array with its layout.
    """
    is_transposed = not laid_out_as.flags.c_contiguous
    length, width = laid_out_as.T.shape if is_transposed else laid_out_as.shape

    def make_compute(rows: slice) -> Callable[[NDArray], object]:
        def compute(out: NDArray) -> None:
            a, b = factors()
            if is_transposed:
                a, b = b, a  # (a.T @ b).T = b.T @ a
            np.matmul(a[:, rows].T, b, out=out.reshape(-1, width))

        return compute

    return [
        (slice(rows.start * width, rows.stop * width), make_compute(rows))
        for rows in blocks_of(length, width)
    ]

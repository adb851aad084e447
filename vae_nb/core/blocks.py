"""Work on blocks of arrays, spread over the processor's cores.

NumPy lets go of Python's lock while it computes, so threads can share what has many blocks. BLAS
libraries bring threads of their own, which wait for their next product in a busy loop and would
take the cores from ours: while ours work, BLAS uses one.
"""

import contextvars
import os
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Lock

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

# Elements in a block: a megabyte of float32. The handful of blocks that an update goes over stays
# in the last cache before the memory; in much smaller ones the threads wait for Python's lock.
BLOCK = 262144

# Each operation on a block takes Python's lock for about a tenth of its time.
MAX_THREADS = 4

# A pool, and how many threads work on a task: the caller's and the pool's.
_workers = contextvars.ContextVar("workers", default=(None, 1))


def blas_libraries():
    """What threadpoolctl says of the BLAS libraries that NumPy has loaded.

    Returns
    -------
    list of dict
    """
    np.zeros((1, 1)) @ np.zeros((1, 1))  # a library is listed once it is loaded
    return [entry for entry in threadpool_info() if entry["user_api"] == "blas"]


def in_threads():
    """Whether `worker_threads` holds here."""
    return _workers.get()[0] is not None


@contextmanager
def worker_threads():
    """Within it, `for_each` uses several threads, and BLAS one.

    There are as many as BLAS had (the environment's OPENBLAS_NUM_THREADS, for example), but at
    most four; as many as the machine has cores where BLAS is one that threadpoolctl does not know,
    and then BLAS is left as it is. Otherwise what is computed does not depend on the number of
    threads, to the bit.
    """
    if in_threads():
        yield
        return
    counts = [library["num_threads"] for library in blas_libraries()]
    threads = min(max(counts, default=os.cpu_count() or 1), MAX_THREADS)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        token = _workers.set((pool, threads))
        try:
            yield
        finally:
            _workers.reset(token)


def for_each(function, items):
    """Call a function with each of some items, in no particular order.

    Parameters
    ----------
    function : callable
        Takes an item. Calls run at the same time within `worker_threads`: each writes to places
        of its own.
    items : sequence
    """
    remaining, lock = iter(items), Lock()

    def work():
        while True:
            with lock:
                item = next(remaining, lock)  # the lock itself says that there is no more
            if item is lock:
                return
            function(item)

    pool, threads = _workers.get()
    # NumPy's error settings (np.errstate) live in the caller's context.
    helpers = range(min(threads, len(items)) - 1)
    futures = [pool.submit(contextvars.copy_context().run, work) for _ in helpers]
    try:
        work()
    finally:
        wait(futures)  # nobody writes any more, whatever happened
    for future in futures:
        future.result()


def in_blocks(function, out, *arrays):
    """Compute an array row by row from other arrays' rows, several rows at a time.

    Parameters
    ----------
    function : callable
        From some rows of each of the arrays to those rows of `out`.
    out : ndarray, shape (n, ...)
        Filled.
    arrays : ndarrays, shape (n, width)

    Returns
    -------
    ndarray
        `out`.
    """

    def compute(rows):
        out[rows] = function(*(array[rows] for array in arrays))

    # A function makes a few arrays of a block's size on its way.
    for_each(compute, blocks_of(len(out), 4 * arrays[0].shape[1]))
    return out


def blocks_of(rows, width):
    """Slices that cut an array of shape (rows, width) into blocks of about `BLOCK` elements.

    Parameters
    ----------
    rows, width : int

    Returns
    -------
    list of slice
        Of whole rows.
    """
    step = max(1, BLOCK // width)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def blas_description():
    """Which BLAS library NumPy uses here, and with how many threads.

    Returns
    -------
    dict
        "blas": name, version and kernel; "threads": int.
    """
    libraries = blas_libraries()
    if not libraries:
        return {"blas": "unknown", "threads": None}
    library = libraries[0]
    parts = [library["internal_api"], library.get("version"), library.get("architecture")]
    return {"blas": " ".join(filter(None, parts)), "threads": library["num_threads"]}

"""Work on blocks of arrays, spread over the processor's cores.

NumPy lets go of Python's lock while it computes, so threads can share what has many blocks. BLAS
libraries bring threads of their own, which wait for their next product in a busy loop and would
take the cores from ours: while ours work, BLAS uses one.
"""

import contextvars
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from types import SimpleNamespace

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

# Elements in a block. A few blocks stay in a core's cache while several operations go over them;
# in smaller ones the threads would wait for Python's lock more than they compute.
BLOCK = 262144

# Each operation on a block takes Python's lock for about a tenth of its time.
MOST_THREADS = 4

_workers = SimpleNamespace(pool=None, threads=1)


def blas_libraries():
    """What threadpoolctl says of the BLAS libraries that NumPy has loaded.

    Returns
    -------
    list of dict
    """
    np.zeros((1, 1)) @ np.zeros((1, 1))  # a library is listed once it is loaded
    return [entry for entry in threadpool_info() if entry["user_api"] == "blas"]


@contextmanager
def worker_threads():
    """Within it, `for_each` uses several threads, and BLAS one.

    There are as many as BLAS had (the environment's OPENBLAS_NUM_THREADS, for example), but at
    most four. What is computed does not depend on their number, to the bit.
    """
    if _workers.pool is not None:
        yield
        return
    counts = [library["num_threads"] for library in blas_libraries()]
    threads = min(max(counts, default=os.cpu_count() or 1), MOST_THREADS)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        _workers.pool, _workers.threads = pool, threads
        try:
            yield
        finally:
            _workers.pool, _workers.threads = None, 1


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

    helpers = min(_workers.threads, len(items)) - 1
    # NumPy's error settings (np.errstate) live in the caller's context.
    futures = [_workers.pool.submit(contextvars.copy_context().run, work) for _ in range(helpers)]
    try:
        work()
    finally:
        for future in futures:
            future.result()


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

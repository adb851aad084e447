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

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

# Elements in a block. A few blocks stay in a core's cache while several operations go over them;
# in smaller ones the threads would wait for Python's lock more than they compute.
BLOCK = 262144

# Each operation on a block takes Python's lock for about a tenth of its time.
MOST_THREADS = 4

_pool = None
_pool_threads = 1


def blas_description():
    """Which BLAS library NumPy uses here, and with how many threads.

    Returns
    -------
    dict
        "blas": name, version and kernel; "threads": int.
    """
    np.zeros((1, 1)) @ np.zeros((1, 1))  # a library is listed once it is loaded
    libraries = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
    if not libraries:
        return {"blas": "unknown", "threads": None}
    library = libraries[0]
    parts = [library["internal_api"], library.get("version"), library.get("architecture")]
    return {"blas": " ".join(filter(None, parts)), "threads": library["num_threads"]}


@contextmanager
def worker_threads():
    """Within it, `for_each` uses several threads, and BLAS one.

    There are as many as BLAS had (the environment's OPENBLAS_NUM_THREADS, for example), but at
    most four. What is computed does not depend on their number, to the bit.
    """
    global _pool, _pool_threads
    if _pool is not None:
        yield
        return
    threads = blas_description()["threads"] or os.cpu_count() or 1
    _pool_threads = min(threads, MOST_THREADS)
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(max(1, _pool_threads - 1), "vae_nb") as _pool,
    ):
        try:
            yield
        finally:
            _pool, _pool_threads = None, 1


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

    helpers = min(_pool_threads, len(items)) - 1
    # NumPy's error settings (np.errstate) live in the caller's context.
    futures = [_pool.submit(contextvars.copy_context().run, work) for _ in range(helpers)]
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

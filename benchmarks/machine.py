"""Measure the rates of the machine, which no implementation can exceed."""

import os
import platform
import time

import numpy as np

from vae_nb.core.blocks import blas_description, for_each, worker_threads

STREAMED = 64_000_000  # float32 elements: many times the size of a processor's cache
GEMM_SIDE = 2048


def describe():
    """Describe the machine as far as it can be found out.

    Returns
    -------
    dict
    """
    model = platform.processor() or platform.machine()
    cache = None
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            for line in file:
                key, _, value = (part.strip() for part in line.partition(":"))
                if key == "model name":
                    model = value
                elif key == "cache size":
                    cache = value
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return {
        "processor": model,
        "cache": cache,
        "cores": cores,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        **blas_description(),
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("OPENBLAS_", "OMP_", "MKL_"))
        },
    }


class Rates:
    """Measures memory bandwidth and the rate of matrix products, a little at a time."""

    def __init__(self):
        self.stream = np.ones(STREAMED, np.float32)
        self.factor = np.ones((GEMM_SIDE, GEMM_SIDE), np.float32)
        self.product = np.empty_like(self.factor)
        self.bandwidths = []
        self.gemm_rates = []

    def measure(self):
        """Measure each once: multiply an array in place, and compute a square matrix product."""
        pieces = np.array_split(self.stream, 64)
        with worker_threads():
            started = time.perf_counter()
            for_each(lambda piece: np.multiply(piece, 1.0, out=piece), pieces)
            self.bandwidths.append(2 * self.stream.nbytes / (time.perf_counter() - started))
        started = time.perf_counter()
        np.matmul(self.factor, self.factor, out=self.product)
        self.gemm_rates.append(2 * GEMM_SIDE**3 / (time.perf_counter() - started))

    @property
    def bandwidth(self):
        """Bytes per second, read or written: the median."""
        return float(np.median(self.bandwidths))

    @property
    def gemm_rate(self):
        """Single-precision floating-point operations per second: the median."""
        return float(np.median(self.gemm_rates))

    def floor_seconds(self, moved, operations):
        """Return the least time to move the bytes and then do the operations."""
        return moved / self.bandwidth + operations / self.gemm_rate

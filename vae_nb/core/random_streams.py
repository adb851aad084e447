"""One seed, and an independent stream of random numbers for each purpose."""

import numpy as np

# A purpose's place in this list is part of its seed: add new ones at the end.
PURPOSES = (
    "split",
    "weights",
    "batches",
    "noise",
    "validation",
    "samples",
    "patches",
    "inference",
)


def random_stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the stream of random numbers for one purpose, independent of all others.

    How many numbers one purpose draws does not change what the others draw: the same seed splits
    the images in the same way, whatever the size of the network.

    Parameters
    ----------
    seed : int
        `training.seed` of the configuration; not negative.
    purpose : str
        One of `PURPOSES`.

    References
    ----------
    NumPy's documentation, "Parallel random number generation", `SeedSequence` and spawn keys.
    """
    key = (PURPOSES.index(purpose),)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))

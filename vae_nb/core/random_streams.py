"""One seed, one independent stream of random numbers for each purpose."""

import numpy as np

PURPOSES = ("split", "weights", "batches", "noise", "validation", "samples")


def random_stream(seed, purpose):
    """The random numbers that one purpose draws, independent of every other purpose's.

    Changing how many numbers one purpose draws then changes no other: the same seed splits the
    pictures alike whatever the network's size.

    Parameters
    ----------
    seed : int
        `training.seed` of the configuration; not negative.
    purpose : str
        One of `PURPOSES`.

    Returns
    -------
    numpy.random.Generator

    References
    ----------
    NumPy's documentation, "Parallel random number generation", `SeedSequence` and spawn keys.
    """
    key = (PURPOSES.index(purpose),)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))

"""What a saved file was made from. A file of another origin is kept when it would be replaced."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vae_nb.data.config import Config
from vae_nb.run.model_files import epochs_of_model, load_origin
from vae_nb.system.errors import FilesError, ModelError
from vae_nb.system.files import atomic_path

logger = logging.getLogger(__name__)

# Keys that may differ between two configurations of the same training: the images themselves are
# compared, and how often a checkpoint is saved changes no weight.
IRRELEVANT_KEYS = {"data.input_dir", "training.checkpoint_seconds"}


@dataclass(frozen=True)
class Origin:
    """What a model or a checkpoint was made from: its configuration and its images.

    Attributes
    ----------
    fingerprint : str
        `ImageSet.fingerprint` of the images.
    """

    config: Config
    fingerprint: str

    def differences(self, other: "Origin") -> list[str]:
        """Name what differs from another origin: key paths, "the images", or nothing."""
        keys = self.config.differences(other.config)
        differences = [key for key in keys if key not in IRRELEVANT_KEYS]
        if self.fingerprint != other.fingerprint:
            differences.append("the images")
        return differences


def is_other(path: Path, origin: Origin) -> bool:
    """Whether a file exists that does not have this origin, as far as can be told."""
    try:
        saved_origin = Origin(*load_origin(path))
    except ModelError:
        return os.path.exists(path)  # if it cannot be read, it may be anything
    return bool(origin.differences(saved_origin))


@contextmanager
def keep_earlier(path: Path, origin: Origin, epochs: int | None = None) -> Iterator[None]:
    """Within this context, a model or a checkpoint is written; keep the file that it replaces.

    The earlier file gets another name in the same folder. It is not kept if it has the same origin,
    unless it is a model of more epochs: a training that was ended early is worth less than a
    complete one.

    Parameters
    ----------
    path : Path
        Where the new file is written.
    origin : Origin
        The new file's origin.
    epochs : int or None
        How many epochs the new model was trained for. None for a checkpoint.
    """
    if not is_other(path, origin) and not _is_longer_training(path, epochs):
        yield
        return
    kept = _unused_name(path)
    try:
        os.link(path, kept)  # takes no space on the disk
    except OSError:  # not every file system has links
        with atomic_path(kept) as temporary:
            shutil.copyfile(path, temporary)
    try:
        yield
    except FilesError:
        kept.unlink()
        raise
    kind = "model" if path.stem == "vae" else path.stem
    logger.info("The earlier %s is kept as %s.", kind, kept)


def _is_longer_training(path: Path, epochs: int | None) -> bool:
    """Whether a file is a model that was trained for more epochs."""
    if epochs is None or not os.path.exists(path):
        return False
    try:
        return epochs_of_model(path) > epochs
    except ModelError:
        return False


def _unused_name(path: Path) -> Path:
    """Return a path beside another one that no file has: vae_1.npz, vae_2.npz, …"""
    number = 1
    while True:
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
        if not candidate.exists():
            return candidate
        number += 1

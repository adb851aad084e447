"""Whether a saved file is of this configuration and these images. One that is not is kept."""

import os
import shutil
from contextlib import contextmanager, suppress

from vae_nb.run.model_files import (
    load_model,
    load_origin,
)
from vae_nb.system.errors import FilesError, ModelError
from vae_nb.system.files import atomic_path

# What may differ between the configuration asked for and a saved model's: the pictures
# themselves are compared, and how often a training is saved changes no weight.
IRRELEVANT_KEYS = {"data.input_dir", "training.checkpoint_seconds"}


def differences_from(saved_config, fingerprint, config, images):
    """In what a saved model's configuration and pictures are not those asked for."""
    differences = [key for key in config.differences(saved_config) if key not in IRRELEVANT_KEYS]
    if fingerprint != images.fingerprint():
        differences.append("the pictures")
    return differences


def is_other(path, config, images):
    """Whether a file is there that is not known to be of the same origin."""
    try:
        return bool(differences_from(*load_origin(path), config, images))
    except ModelError:  # whatever it is, it is not ours to destroy
        return os.path.exists(path)


@contextmanager
def keeping_other(path, config, images, epochs=None):
    """Around the writing of a file: what it replaces stays beside it, under another name.

    Unless that is of the same origin, and of no more epochs than these: a training that somebody
    ended early is worth less than one that came to its end.
    """
    keep = is_other(path, config, images)
    if not keep and epochs is not None and os.path.exists(path):
        with suppress(ModelError):
            keep = len(load_model(path)[1]) > epochs
    if not keep:
        yield
        return
    number = 1
    while (kept := path.with_name(f"{path.stem}_{number}{path.suffix}")).exists():
        number += 1
    try:
        os.link(path, kept)  # takes no room on the disk
    except OSError:  # not every file system has links
        with atomic_path(kept) as temporary:
            shutil.copyfile(path, temporary)
    try:
        yield
    except FilesError:
        kept.unlink()
        raise
    what = {"vae": "model"}.get(path.stem, path.stem)
    print(f"The earlier {what} is kept as {kept}.")

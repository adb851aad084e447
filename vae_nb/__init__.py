"""A variational autoencoder in plain NumPy: the module behind the emoji-vae notebooks.

These are the public names, and the module that each one lives in. A module is imported when one of
its names is first used, so `import vae_nb` is quick and loads neither matplotlib nor widgets.
"""

import importlib
from typing import Any

_PUBLIC = {
    "vae_nb.core.architecture": ["count_parameters"],
    "vae_nb.core.blocks": ["worker_threads"],
    "vae_nb.core.convolution": ["Convolution", "Patches", "fold", "unfold"],
    "vae_nb.core.gradient_checking": ["central_differences", "gradient_check", "relative_error"],
    "vae_nb.core.layers": ["ACTIVATIONS", "Dense", "sigmoid", "softplus"],
    "vae_nb.core.losses": [
        "bernoulli_entropy",
        "bernoulli_loss",
        "bernoulli_loss_gradient",
        "kl_divergence",
        "kl_divergence_gradient",
        "kl_divergence_per_dimension",
    ],
    "vae_nb.core.metrics": [
        "active_units",
        "aggregate_posterior",
        "encode_set",
        "evaluate",
        "kl_per_dimension",
        "negative_elbo",
        "pixel_distances",
        "reconstruction_quality",
        "sample_quality",
    ],
    "vae_nb.core.model": [
        "VAE",
        "Loss",
        "reparameterize",
        "reparameterize_gradient",
    ],
    "vae_nb.core.optimizers": ["SGD", "Adam", "clip_scale"],
    "vae_nb.core.random_streams": ["random_stream"],
    "vae_nb.core.schedules": ["kl_weight_at", "learning_rate_at"],
    "vae_nb.core.training": ["History", "Trainer", "train"],
    "vae_nb.data.config": ["Config", "load_config"],
    "vae_nb.data.image_files": ["load_images"],
    "vae_nb.data.image_set": ["ImageSet"],
    "vae_nb.run.model_files": ["load_model", "save_model"],
    "vae_nb.run.program": ["load_program", "save_program"],
    "vae_nb.run.series": ["run_series"],
    "vae_nb.run.trained_run": ["TrainedRun", "config_for", "load_or_train", "train_and_save"],
    "vae_nb.run.workspace": ["Workspace"],
    "vae_nb.show.explorer": ["LatentExplorer"],
    "vae_nb.show.film": ["TrainingFilm"],
    "vae_nb.show.monitor": ["TrainingMonitor"],
    "vae_nb.sweeps.engine": ["dask_executor", "local_executor", "run_sweep"],
    "vae_nb.sweeps.plan": ["plan_sweep"],
    "vae_nb.sweeps.report": ["write_report"],
    "vae_nb.sweeps.results": ["SweepResults", "find_sweep", "read_sweep"],
    "vae_nb.system.errors": [
        "ConfigError",
        "FilesError",
        "ImagesError",
        "Interrupted",
        "ModelError",
        "TrainingDiverged",
        "VaeNbError",
    ],
    "vae_nb.system.messages": ["show_messages"],
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
_SUBMODULES = {"exercises": "vae_nb.exercises", "figures": "vae_nb.show.figures"}

__all__ = sorted([*_MODULE_OF, *_SUBMODULES])  # noqa: PLE0605 - the list is sorted strings


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(_SUBMODULES[name])
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

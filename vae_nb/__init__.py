"""A variational autoencoder in plain NumPy: the module behind the emoji-vae notebooks.

Names are imported when they are first asked for, so that `import vae_nb` is quick and brings
neither matplotlib nor widgets.
"""

import importlib

_HOME_OF = {
    name: module
    for module, names in {
        "config": "Config load_config",
        "errors": "ConfigError FilesError ImagesError Interrupted ModelError TrainingDiverged"
        " VaeNbError",
        "explorer": "LatentExplorer",
        "gradient_checking": "central_differences gradient_check relative_error",
        "images": "ImageSet load_images",
        "layers": "ACTIVATIONS Dense sigmoid softplus",
        "losses": "bernoulli_entropy bernoulli_loss bernoulli_loss_gradient kl_divergence"
        " kl_divergence_gradient kl_divergence_per_dimension",
        "metrics": "active_units aggregate_posterior encode_set evaluate kl_per_dimension"
        " negative_elbo pixel_distances reconstruction_quality sample_quality",
        "model": "VAE Loss count_parameters reparameterize",
        "optimizers": "SGD Adam",
        "random_streams": "random_stream",
        "series": "run_series",
        "sweep_results": "SweepResults find_sweep read_sweep",
        "sweeps": "dask_executor local_executor plan_sweep run_sweep",
        "threads": "worker_threads",
        "training_monitor": "TrainingMonitor",
        "training": "History clip_scale kl_weight_at learning_rate_at train",
        "model_files": "load_model save_model",
        "workspace": "TrainedRun Workspace load_or_train train_and_save",
    }.items()
    for name in names.split()
}
_SUBMODULES = ("exercises", "figures")

__all__ = sorted([*_HOME_OF, *_SUBMODULES])  # noqa: PLE0605 - the list is sorted strings


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__

"""Writes a model card: what a trained model is for, what it was trained on, and how good it is."""

import html
import math
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

from vae_nb.core.architecture import layer_shapes
from vae_nb.core.metrics import ACTIVE_VARIANCE, SAMPLES
from vae_nb.core.sliced_wasserstein import LEVELS
from vae_nb.data.config import Config
from vae_nb.run.attribution import attribution
from vae_nb.run.trained_run import TrainedRun
from vae_nb.system.errors import printable
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import PROJECT_ROOT, from_project_root

UNKNOWN = "–"  # a measure of which the images are too few, or that an older model lacks
OWN_PICTURES = "They are not the project's own drawings. Whose they are is not known here."

CARD = Template("""\
# Model card: a variational autoencoder of pictures

`vae-nb export` has written this card from the model's configuration and its `metrics.json`.

## Model details

- **Kind:** a variational autoencoder in plain NumPy, from the emoji-vae notebooks $version.
- **Pictures:** $height×$width pixels, $colors, numbers in [0, 1].
- **Encoder:** $encoder; then the mean and the log-variance of $latent latent dimensions.
- **Decoder:** $decoder, and a sigmoid.
- **Parameters:** $parameters.
- **Training:** $epochs epochs with $optimizer, KL weight $kl_weight, seed $seed; $seconds seconds \
on $threads threads.
- **License of the code:** MIT.
- **Reference:** Kingma & Welling (2014), "Auto-Encoding Variational Bayes".

## Intended use

To learn and to teach how a variational autoencoder works: encode pictures like those of the
training, decode latent vectors, blend pictures, draw new ones. It was made and measured for nothing
else.

## Training data

- **Pictures:** $training for the training, and $held_out held out, which were split by $split_by.
- **Folders:** $folders.
- **Augmentation:** $augmentation.

$attribution

## Evaluation

| measure | training pictures | held-out pictures |
|---|--:|--:|
| excess reconstruction loss, nats per image | $train_excess | $validation_excess |
| the same over that of the mean picture | | $normalized |
| mean squared error of a pixel in [0, 1] | $train_mse | $validation_mse |
| KL divergence, nats per image | $kl | |
| active units, of $latent latent dimensions | $active | |
| importance-weighted bound, nats per image | | $bound |
| amortization gap, nats per image | | $gap |
| sliced Wasserstein distance: fine, medium, coarse | | $validation_swd |

| $draws decoded draws from | distance | spread | coverage | sliced Wasserstein distance |
|---|--:|--:|--:|--:|
| the prior | $samples |
| the Gaussian fitted to the posteriors | $fitted |

- *Excess* is the reconstruction loss minus the entropy of the pictures themselves: 0 is perfect. It
  and the mean squared error are of the posterior mean's reconstruction. Over that of the mean
  picture: at 1, the model knows no more than that picture.
- An *active unit* is a latent dimension whose posterior mean has a variance above $active_variance
  over the training pictures.
- The *importance-weighted bound* is an upper bound of the negative log-likelihood. The
  *amortization gap* is what the best posteriors would gain over the encoder's. Lower is better for
  both.
- *Distance*: the median pixel distance of a draw to its nearest training picture, over that of the
  held-out pictures; 1 is as new as they are. *Spread*: the median pixel distance between two draws,
  over that between two training pictures; 1 is as varied. *Coverage*: the share of the training
  pictures that have a draw nearby.
- The *sliced Wasserstein distance* compares patches at three sizes, in hundredths of their standard
  deviation: 0 is equal.
- $unknown stands for what was not measured, for example because there are too few pictures.

## Limitations

- The model knows $training pictures. How well it draws others is in the held-out column.
- Pixel distances are not what people see: a blurred picture can be near.
- The numbers are of one training. Another seed, which also decides the split, gives others.
- It repeats what its training pictures show and leave out.

## How to load

`models/vae.npz` in the output folder holds the model:

```python
import vae_nb

vae, history, config = vae_nb.load_model("output/models/vae.npz")
images = vae_nb.load_images(config.data)
mean, log_variance = vae.encode(images.as_float())  # ($latent_columns)
decoded = vae.decode(mean).reshape(-1, $height, $width, $channels)  # in [0, 1]
```

For other tools, `vae-nb export model.onnx` writes encoder and decoder as ONNX files.
""")


def export_card(run: TrainedRun, path: str | Path) -> Path:
    """Write a model card in Markdown, with what the model's configuration and metrics say.

    Parameters
    ----------
    path : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    Path

    Raises
    ------
    FilesError
        If the file cannot be written.

    References
    ----------
    Mitchell et al. (2019), "Model Cards for Model Reporting".
    """
    path = from_project_root(path)
    config = run.config
    values = _model_values(config) | _data_values(run) | _measures(run.metrics)
    values |= {"draws": SAMPLES, "active_variance": ACTIVE_VARIANCE, "unknown": UNKNOWN}
    card = CARD.substitute(values, version=version("emoji-vae-notebooks"))
    with atomic_path(path) as temporary:
        temporary.write_text(card, encoding="utf-8", newline="\n")
    return path


def _model_values(config: Config) -> dict[str, Any]:
    """Return what the configuration says of the model and its training."""
    height, width, channels = config.data.image_shape
    latent = config.model.latent_dim
    layers: dict[str, list[str]] = {"encoder": [], "decoder": []}
    for shape in layer_shapes(config.model, config.data.image_shape):
        if shape.name not in ("mean", "log_variance"):
            size = "×".join(map(str, shape.output_shape))
            part = "encoder" if shape.name.startswith("encoder") else "decoder"
            layers[part].append(f"{size} {shape.activation}")
    return {part: ", ".join(texts) for part, texts in layers.items()} | {
        "height": height,
        "width": width,
        "channels": channels,
        "colors": {1: "gray", 3: "RGB"}[channels],
        "latent": latent,
        "latent_columns": f"pictures, {latent}",
        "optimizer": config.training.optimizer.type,
        "kl_weight": f"{config.training.kl_weight:g}",
        "seed": config.training.seed,
    }


def _data_values(run: TrainedRun) -> dict[str, Any]:
    """Return what is known of the pictures."""
    data, often = run.config.data, run.config.training.augmentation
    said = attribution(data.input_dir) or OWN_PICTURES
    return {
        "training": len(run.train_set),
        "held_out": len(run.validation_set),
        "split_by": data.split_by,
        "folders": ", ".join(_as_code(folder) for folder in _shown(data.input_dir)),
        "augmentation": f"mirrored and shifted by a pixel, each with probability {often:g}"
        if often
        else "none",
        "attribution": _as_quote(said),
    }


def _shown(folders: Iterable[str]) -> list[str]:
    """Name folders for others: where they are in the project, or else by their last name alone."""
    paths = [from_project_root(folder).resolve() for folder in folders]
    in_project = [path.is_relative_to(PROJECT_ROOT) for path in paths]
    return [
        path.relative_to(PROJECT_ROOT).as_posix() if inside else path.name
        for path, inside in zip(paths, in_project, strict=True)
    ]


def _measures(metrics: dict[str, Any]) -> dict[str, str]:
    """Return what `metrics.json` holds, as text."""

    def number(key: str, form: str) -> str:
        value: Any = metrics
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        is_known = isinstance(value, int | float) and math.isfinite(value)
        return format(value, form) if is_known else UNKNOWN

    def patches(key: str) -> str:
        return ", ".join(number(f"{key}.swd.{level}", ".1f") for level in LEVELS)

    def draws(key: str) -> str:
        ratios = [number(f"{key}.{name}", ".2f") for name in ("distance", "spread", "coverage")]
        return " | ".join([*ratios, patches(key)])

    return {
        "parameters": number("parameters", ",.0f"),
        "epochs": number("epochs", ",.0f"),
        "seconds": number("training_seconds", ",.0f"),
        "threads": number("threads", ".0f"),
        "train_excess": number("train.excess", ",.0f"),
        "validation_excess": number("validation.excess", ",.0f"),
        "normalized": number("validation.normalized_excess", ".3f"),
        "train_mse": number("train.mse", ".4f"),
        "validation_mse": number("validation.mse", ".4f"),
        "kl": number("kl", ".1f"),
        "active": number("active_units", ".0f"),
        "bound": number("importance_weighted_bound", ",.0f"),
        "gap": number("amortization_gap", ",.0f"),
        "validation_swd": patches("validation"),
        "samples": draws("samples"),
        "fitted": draws("fitted_samples"),
    }


def _as_code(text: str) -> str:
    """Write a text in Markdown so that nothing in it is markup."""
    text = printable(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def _as_quote(text: str) -> str:
    """Quote a text in Markdown."""
    lines = html.escape(text, quote=False).split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)

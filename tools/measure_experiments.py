"""Measure what sharing weights and more drawings change.

    python tools/measure_experiments.py models      50 trainings: about an hour on two cores
    python tools/measure_experiments.py shuffled    20 more: a quarter of an hour
    python tools/measure_experiments.py times       on a quiet machine, three minutes
    python tools/measure_experiments.py all-styles  one large training; needs `make all-styles`
    python tools/measure_experiments.py pictures    the figures, from the models of the first split

Each writes its part of docs/experiments.json, or docs/images/experiments_*.png. `python
tools/write_docs.py` then writes the section of docs/experiments.md. The models stay in
output/experiments: what is there is not trained again.
"""

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import click
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from markdown_tables import head, interval, line

import vae_nb
from benchmarks.machine import describe
from vae_nb.core.metrics import encode_set, evaluate, excess_of_the_mean_image
from vae_nb.show.figures.images import image_table, image_tables

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "experiments.json"
IMAGES = ROOT / "docs" / "images"
RUNS = ROOT / "output" / "experiments"

SPLITS = range(11, 21)  # the seeds, as in the sweep of the finalists
SHUFFLED_SPLITS = range(11, 16)
TIMES = 3

FACES = "input/emojis"
STYLES = vae_nb.load_config("configs/styles.json")
ALL_STYLES = {
    "data.input_dir": list(STYLES.data.input_dir),
    "data.split_by": "name",
    "training.epochs": STYLES.training.epochs,
}
MODELS = {  # the configuration, and what is different from it
    "dense, faces": ("config.json", {}),
    "convolutional, faces": ("configs/convolutional.json", {}),
    "dense, all styles": ("config.json", ALL_STYLES),
    "convolutional, all styles": ("configs/styles.json", {}),
}
REFERENCE = "dense, faces"
# The layers of the dense model with everything else as the convolutional one has it.
EQUAL = "dense, equal settings"
LAYERS = vae_nb.load_config("config.json").to_dict()["model"]
MODELS_TO_TRAIN = MODELS | {
    EQUAL: (
        "configs/convolutional.json",
        {
            f"model.{key}": LAYERS[key]
            for key in ("encoder_layers", "decoder_layers", "output_kernel_size")
        },
    )
}
SHUFFLED = {
    "dense": ("config.json", {}),
    "convolutional": ("configs/convolutional.json", {"training.augmentation": 0}),
}
MEASURES = {  # heading: its value in the metrics, and the format of its mean
    "training excess": (lambda metrics: metrics["train"]["excess"], ".0f"),
    "training MSE": (lambda metrics: metrics["train"]["mse"], ".4f"),
    "held-out excess": (lambda metrics: metrics["validation"]["excess"], ".0f"),
    "normalized": (lambda metrics: metrics["validation"]["normalized_excess"], ".3f"),
    "SWD, held-out": (lambda metrics: _swd(metrics, "validation"), ".1f"),
    "SWD, draws": (lambda metrics: _swd(metrics, "samples"), ".1f"),
    "distance": (lambda metrics: metrics["samples"]["distance"], ".2f"),
    "spread": (lambda metrics: metrics["samples"]["spread"], ".2f"),
    "seconds": (lambda metrics: metrics["training_seconds"], ".0f"),
}
GUESSES = (  # of the drawing of a held-out emoji in another style
    "style vector",
    "no vector",
    "style's mean picture",
    "nearest training picture",
    "its own reconstruction",
)


def _swd(metrics, of):
    return float(np.mean(list(metrics[of]["swd"].values())))


# --- measuring ---


def one_thread():
    """Give a worker process one BLAS thread: as many processes as cores are at work."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def in_processes(function, jobs):
    """Call a function with each job, as many at a time as there are cores.

    Returns
    -------
    list
        Its results, in the order of the jobs.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=one_thread) as executor:
        results = []
        for result in executor.map(function, *zip(*jobs, strict=True)):
            results.append(result)
            click.echo(f"{len(results)} of {len(jobs)}")
        return results


def train(kind, seed):
    """Train a model, or load it if it is trained. Return the run."""
    path, overrides = MODELS_TO_TRAIN[kind]
    config = vae_nb.load_config(path, {**overrides, "training.seed": seed})
    folder = RUNS / f"{kind.replace(', ', '_').replace(' ', '_')}_{seed}"
    return vae_nb.load_or_train(config, folder, progress=False), folder


def measure_model(kind, seed):
    """Train a model, and measure it on the faces of the first style.

    The same seed holds out the same of them, whatever other styles there are.

    Returns
    -------
    dict
    """
    run, folder = train(kind, seed)
    config = run.config
    faces = vae_nb.load_images(vae_nb.load_config(overrides={"data.input_dir": FACES}).data)
    train_set, held_out_set = faces.split(config.data.validation_split, seed)
    if not set(held_out_set.names) <= set(run.validation_set.names):
        raise ValueError(f"{kind}, seed {seed}: other faces are held out")
    metrics = evaluate(run.vae, train_set, held_out_set, config.training)
    row = {
        "model": kind,
        "seed": seed,
        "parameters": run.vae.parameters.size,
        "bytes": (folder / "models" / "vae.npz").stat().st_size,
        "pictures": len(run.train_set),
        "metrics": {**metrics, "training_seconds": run.metrics["training_seconds"]},
    }
    if len(set(run.train_set.styles)) > 1:
        row["guesses"] = errors_of_guesses(run.vae, run.train_set, run.validation_set)
    return row


def style_guesses(vae, train_set, held_out_set):
    """Guess how held-out emojis look in each other style, from the first style's drawing.

    The style vector is the mean difference of the codes of the training emojis that both styles
    have.

    Yields
    ------
    style : str
    first, true : ndarray, shape (emojis, pixels)
        The held-out emojis that both styles have, as the two styles draw them.
    guesses : dict of str to ndarray
        Of the same shape, by the names in `GUESSES`.
    """
    pictures, codes = {}, {}  # by part and style: by name
    for part, images in {"train": train_set, "held out": held_out_set}.items():
        x, mean = images.as_float(), encode_set(vae, images).mean
        for row, (style, name) in enumerate(zip(images.styles, images.names, strict=True)):
            pictures.setdefault((part, style), {})[name] = x[row]
            codes.setdefault((part, style), {})[name] = mean[row]
    origin, *others = dict.fromkeys(train_set.styles)

    for style in others:
        shared = {
            part: [name for name in codes[part, style] if name in codes[part, origin]]
            for part in ("train", "held out")
        }

        def rows(table, part, style, names=shared):
            return np.stack([table[part, style][name] for name in names[part]])

        vector = np.mean(rows(codes, "train", style) - rows(codes, "train", origin), axis=0)
        z = rows(codes, "held out", origin)
        first = rows(pictures, "held out", origin)
        distances = vae_nb.pixel_distances(first, rows(pictures, "train", origin))
        mean_picture = np.mean(list(pictures["train", style].values()), axis=0)
        guesses = (
            vae.decode(z + vector),
            vae.decode(z),
            np.broadcast_to(mean_picture, first.shape),
            rows(pictures, "train", style)[np.argmin(distances, axis=1)],
            vae.decode(rows(codes, "held out", style)),
        )
        true = rows(pictures, "held out", style)
        yield style, first, true, dict(zip(GUESSES, guesses, strict=True))


def errors_of_guesses(vae, train_set, held_out_set):
    """Return the mean squared error of each guess, by style and by the guess's name."""
    return {
        style: {name: float(np.mean((guess - true) ** 2)) for name, guess in guesses.items()}
        for style, _, true, guesses in style_guesses(vae, train_set, held_out_set)
    }


def train_shuffled(kind, seed, shuffled):
    """Train a model on pictures whose pixels are all in the same random order, or as they are.

    Returns
    -------
    vae, train_set, held_out_set
    order : ndarray of int
        Of the pixels.
    """
    path, overrides = SHUFFLED[kind]
    config = vae_nb.load_config(path, {**overrides, "training.seed": seed})
    images = vae_nb.load_images(config.data)
    height, width, _ = images.image_shape
    order = np.arange(height * width)
    if shuffled:
        order = np.random.default_rng(seed).permutation(order)
    sets = images.with_pixels_in_order(order).split(config.data.validation_split, seed)
    rng = vae_nb.random_stream(seed, "weights")
    vae = vae_nb.VAE(config.model, config.data.image_shape, rng)
    vae_nb.train(vae, *sets, config.training, config.data.batch_size, progress=False)
    return vae, *sets, order


def measure_shuffled(kind, seed, shuffled):
    """Train a model on shuffled pictures, or on pictures as they are, and measure it."""
    vae, train_set, held_out_set, _ = train_shuffled(kind, seed, shuffled)
    return {
        "model": kind,
        "seed": seed,
        "shuffled": shuffled,
        "training": vae_nb.reconstruction_quality(vae, train_set)["excess"],
        "held out": vae_nb.reconstruction_quality(vae, held_out_set)["excess"],
    }


def measure_times():
    """Train the dense and the convolutional model on the faces in turn; return the seconds."""
    rounds = []
    for _ in range(TIMES):
        seconds = {}
        for kind in ("dense, faces", "convolutional, faces"):
            config = vae_nb.load_config(MODELS[kind][0])
            sets = vae_nb.load_images(config.data).split(config.data.validation_split, 1)
            vae = vae_nb.VAE(
                config.model, config.data.image_shape, vae_nb.random_stream(1, "weights")
            )
            started = time.perf_counter()
            vae_nb.train(vae, *sets, config.training, config.data.batch_size, progress=False)
            seconds[kind] = time.perf_counter() - started
        rounds.append(seconds)
    return {"machine": describe(), "rounds": rounds}


# --- the section of the page ---

PAGE = """\
Measured by `tools/measure_experiments.py`. `configs/convolutional.json` shares its weights over the
patches of a picture; `config.json` is dense, and does not know which pixels are neighbors. *All
styles* are the faces in seven drawing styles (`configs/styles.json`): {pictures} training pictures
instead of {faces}. No drawing of a held-out emoji is among them, in whatever style.

### Four models, ten splits

Every model is measured on the same pictures: the faces in the first style, of which each split
(seeds {seeds}) holds out others. Excess is in nats per image. *Normalized* is the held-out excess
over that of the mean picture. SWD is the sliced Wasserstein distance of patches, averaged over its
three levels: for held-out pictures, of their reconstructions; for draws, from the training
pictures. *Distance* and *spread* are 1 for real pictures. ± is the 95 % t interval of the mean over
the splits. The seconds are those of the training with one thread and another training beside it: an
upper bound.

The configurations differ in more than the layer: `configs/convolutional.json` also has a KL weight
of 10 instead of 3, augmentation, 16 latent dimensions instead of 8, smaller batches, fewer epochs
and a lower learning rate. The next section compares at equal settings.

{means}
#### Differences from the dense model on faces, on the same split

± is the 95 % t interval of the mean difference. It is bold where the interval excludes 0. The
intervals are not corrected for their number: one in twenty excludes 0 by chance.

{differences}
{times}
### At equal settings

The second row has the layers of the dense model, and everything else from
`configs/convolutional.json`. All were trained on the same ten splits.

{equal}
### For the eye

![In three blocks: held-out faces and their reconstructions, draws from the prior, and a morph from
one training picture to another, by all four models](images/experiments_models.png)

The dense model on faces learns its few pictures by heart. So it draws sharply, and its
reconstruction of a held-out face is often another face. The other three know less by heart, and
take fewer risks: their pictures are nearer to the truth in nats, and softer. The convolutional
models morph from one picture to another without the double images of the dense ones. Which one is
best depends on what is asked of it.

{styles}{shuffled}{large}"""
TIMES_TEXT = """\
Training time of the convolutional model over that of the dense one, both on faces, in turn, with
nothing else running, medians of {count}: **{ratio:.2f}** ({dense:.0f} s and {convolutional:.0f} s
on {machine}).
"""
STYLES_TEXT = """\
### Style arithmetic

How does a held-out emoji look in another style? The *style vector* is the mean difference between
the codes of the training emojis in that style and in the first one. It is added to the code of the
held-out emoji's first drawing, and decoded. The table has the mean squared error of a pixel to the
true drawing, over the ten splits. *No vector* decodes the code as it is. The *nearest training
picture* is the drawing in that style of the training emoji whose first drawing is nearest. *Its own
reconstruction* encodes and decodes the true drawing, which the others never see.

{table}
{verdict}

![Held-out emojis, two for each of six styles: the first style's drawing, the convolutional model's
guess by the style vector, the nearest training picture, the true
drawing](images/experiments_styles.png)

The drawings in this picture are by Google, Twitter, Microsoft, EmojiOne and OpenMoji; see
[input/styles](../input/styles/README.md) for their licenses. OpenMoji's are under CC BY-SA 4.0.

"""
SHUFFLED_TEXT = """\
### Shuffled pixels

All pictures have their pixels put in the same random order. A dense model has a weight of its own
for each pixel, so it can learn them as well as before. A convolution cannot: its patches now hold
pixels from everywhere. Excess in nats per image, {count} splits, without augmentation; ± is the
95 % t interval of the mean, *change* that of the differences on the same split.

{table}
![Training faces, shuffled, and put in order again](images/experiments_shuffled.png)

"""
LARGE_TEXT = """\
### Every emoji in every style

`configs/all_styles.json`, once: {pictures:,} training pictures, {parameters:,} parameters,
{minutes:.0f} minutes on {machine}. The excess is {train:.0f} on training pictures, and
{held_out:.0f} on held-out ones of all styles (normalized {normalized:.3f}). On the held-out faces
in the first style ({faces} of them) it is {held_out_faces:.0f} (normalized {normalized_faces:.3f}).
"""


def as_markdown(results):
    """Write the section of docs/experiments.md from the results.

    Parameters
    ----------
    results : dict
        What docs/experiments.json holds.

    Returns
    -------
    str
    """
    rows = {kind: {} for kind in MODELS_TO_TRAIN}
    for row in results["models"]:
        rows[row["model"]][row["seed"]] = row
    reference = rows[REFERENCE]
    means = head(["", "parameters", "model file", *MEASURES])
    differences = head(["", *MEASURES])
    for kind in MODELS:
        runs = rows[kind]
        some = next(iter(runs.values()))
        size = [f"{some['parameters'] / 1e6:.2f} M", f"{some['bytes'] / 1e6:.1f} MB"]
        cells = []
        changes = []
        for value, style in MEASURES.values():
            cells.append(interval([value(run["metrics"]) for run in runs.values()], style))
            paired = [
                value(run["metrics"]) - value(reference[seed]["metrics"])
                for seed, run in runs.items()
            ]
            changes.append(interval(paired, f"+{style}", mark=True))
        means += line([kind, *size, *cells])
        if kind != REFERENCE:
            differences += line([kind, *changes])
    return PAGE.format(
        pictures=_pictures(rows["dense, all styles"]),
        faces=_pictures(reference),
        seeds=f"{min(reference)} to {max(reference)}",
        means=means,
        differences=differences,
        times=_times(results["times"]),
        equal=_equal_settings(rows),
        styles=_styles(rows),
        shuffled=_shuffled(results["shuffled"]),
        large=_large(results["all styles"]),
    )


def _pictures(runs):
    counts = sorted({row["pictures"] for row in runs.values()})
    return f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"


def _equal_settings(rows):
    """Write the comparison of the two kinds of layers, where nothing else differs."""
    names = ("held-out excess", "SWD, held-out", "SWD, draws")
    table = head(["", "parameters", *names])
    kinds = (REFERENCE, EQUAL, "convolutional, faces")
    for kind in kinds:
        cells = [
            interval([value(run["metrics"]) for run in rows[kind].values()], style)
            for value, style in (MEASURES[name] for name in names)
        ]
        table += line([kind, f"{rows[kind][SPLITS[0]]['parameters'] / 1e6:.2f} M", *cells])
    changes = []
    for value, style in (MEASURES[name] for name in names):
        equal, shared = (
            np.array([value(rows[kind][seed]["metrics"]) for seed in SPLITS]) for kind in kinds[1:]
        )
        changes.append(interval(shared - equal, f"+{style}", mark=True))
    return table + line(["third row minus second, on the same split", "", *changes])


def _times(times):
    seconds = np.array([list(part.values()) for part in times["rounds"]])
    dense, convolutional = np.median(seconds, axis=0)
    machine = times["machine"]
    return TIMES_TEXT.format(
        count=len(seconds),
        ratio=np.median(seconds[:, 1] / seconds[:, 0]),
        dense=dense,
        convolutional=convolutional,
        machine=f"{machine['processor']}, {machine['cores']} cores",
    )


def _styles(rows):
    kinds = [kind for kind, runs in rows.items() if "guesses" in next(iter(runs.values()))]
    table = head(["", *GUESSES])
    verdicts = []
    for kind in kinds:
        errors = {  # (splits, styles) each
            guess: np.array(
                [[style[guess] for style in row["guesses"].values()] for row in rows[kind].values()]
            )
            for guess in GUESSES
        }
        styles = list(next(iter(rows[kind].values()))["guesses"])
        for number, style in enumerate(styles):
            cells = [interval(errors[guess][:, number], ".4f") for guess in GUESSES]
            table += line([f"{kind.partition(',')[0]}: {style}", *cells])
        cells = [interval(errors[guess].mean(axis=1), ".4f") for guess in GUESSES]
        table += line([f"**{kind.partition(',')[0]}: mean**", *cells])
        changes = [
            f"{interval((errors[guess] - errors['style vector']).mean(axis=1), '+.4f', mark=True)} "
            f"({guess})"
            for guess in GUESSES[1:]
        ]
        verdicts.append(
            f"{kind.partition(',')[0].capitalize()} model, mean over the styles: error of the "
            "other guesses minus that of the style vector, on the same split: "
            f"{', '.join(changes)}."
        )
    return STYLES_TEXT.format(table=table, verdict="\n".join(verdicts))


def _shuffled(rows):
    table = head(["", "pixels", "training", "held out"])
    for kind in SHUFFLED:
        values = {}  # (splits,) each
        for shuffled in (False, True):
            runs = [row for row in rows if (row["model"], row["shuffled"]) == (kind, shuffled)]
            for part in ("training", "held out"):
                values[shuffled, part] = np.array([row[part] for row in runs])
        for shuffled, name in ((False, "in order"), (True, "shuffled")):
            cells = [interval(values[shuffled, part], ".0f") for part in ("training", "held out")]
            table += line([kind, name, *cells])
        changes = [
            interval(values[True, part] - values[False, part], "+.0f", mark=True)
            for part in ("training", "held out")
        ]
        table += line([kind, "change", *changes])
    return SHUFFLED_TEXT.format(table=table, count=len({row["seed"] for row in rows}))


def _large(row):
    metrics = row["metrics"]
    return LARGE_TEXT.format(
        pictures=row["pictures"],
        parameters=row["parameters"],
        minutes=metrics["training_seconds"] / 60,
        machine=row["machine"],
        train=metrics["train"]["excess"],
        held_out=metrics["validation"]["excess"],
        normalized=metrics["validation"]["normalized_excess"],
        faces=row["faces"]["count"],
        held_out_faces=row["faces"]["excess"],
        normalized_faces=row["faces"]["normalized_excess"],
    )


# --- the figures ---


def draw_models(seed):
    """Draw what all four models make of the faces of a split."""
    runs = {kind: train(kind, seed)[0] for kind in MODELS}
    faces = vae_nb.load_images(vae_nb.load_config(overrides={"data.input_dir": FACES}).data)
    train_set, held_out_set = faces.split(0.2, seed)
    columns = 12
    held_out = held_out_set.as_float(np.linspace(0, len(held_out_set) - 1, columns).astype(int))
    ends = [train_set.labels.index(label) for label in ("face-smiling", "cat-face")]
    ends = train_set.as_float(ends)
    weights = np.linspace(0, 1, columns)[:, None]
    blocks = {"Held-out faces": {"original": held_out}, "Draws from the prior": {}, "Morph": {}}
    for kind, run in runs.items():
        vae = run.vae
        z = vae_nb.random_stream(seed, "samples").standard_normal((columns, vae.latent_dim))
        start, end = vae.encode(ends)[0]
        blocks["Held-out faces"][kind] = vae.reconstruct(held_out)
        blocks["Draws from the prior"][kind] = vae.decode(z)
        blocks["Morph"][kind] = vae.decode((1 - weights) * start + weights * end)
    shape = (-1, *faces.image_shape)
    return image_tables(
        {
            heading: {name: images.reshape(shape) for name, images in rows.items()}
            for heading, rows in blocks.items()
        }
    )


def draw_styles(seed, each=2):
    """Draw some guesses of the style vector beside the true drawings, of each style."""
    run, _ = train("convolutional, all styles", seed)
    shape = (-1, *run.config.data.image_shape)
    rows = {"first style": [], "style vector": [], "nearest training picture": [], "true": []}
    styles = []
    for style, first, true, guesses in style_guesses(run.vae, run.train_set, run.validation_set):
        some = np.linspace(0, len(true) - 1, each + 2).astype(int)[1:-1]
        for name, images in {"first style": first, "true": true, **guesses}.items():
            if name in rows:
                rows[name].extend(images[some])
        styles += [style] * each
    images = np.stack([np.reshape(row, shape) for row in rows.values()])
    return image_table(images, list(rows), styles)


def draw_shuffled(seed):
    """Draw faces, the same shuffled, and what models trained on shuffled faces make of them."""
    columns = 12
    rows = {}
    for kind in SHUFFLED:
        vae, train_set, _, order = train_shuffled(kind, seed, True)
        shuffled = train_set.as_float(np.linspace(0, len(train_set) - 1, columns).astype(int))
        shape = (columns, order.size, -1)

        def in_order(images, order=order, shape=shape):
            return images.reshape(shape)[:, np.argsort(order)]

        rows["as drawn"] = in_order(shuffled)
        rows["shuffled"] = shuffled
        rows[f"{kind} model, put in order"] = in_order(vae.reconstruct(shuffled))
    shape = (columns, *train_set.image_shape)
    return image_tables(
        {"Training faces": {name: images.reshape(shape) for name, images in rows.items()}}
    )


# --- the command ---


def read():
    """Read docs/experiments.json, if there is one."""
    return json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}


def write(part, values):
    """Put a part of the results into docs/experiments.json."""
    results = read() | {part: values}
    TABLE.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


@click.group()
def main():
    """Measure what sharing weights and more drawings change."""


@main.command()
@click.argument("kinds", nargs=-1, type=click.Choice(list(MODELS_TO_TRAIN)))
def models(kinds):
    """Train models on ten splits, and measure them on the same faces. No name: all of them."""
    kinds = kinds or list(MODELS_TO_TRAIN)
    kept = [row for row in read().get("models", []) if row["model"] not in kinds]
    write("models", kept + in_processes(measure_model, list(product(kinds, SPLITS))))


@main.command()
def shuffled():
    """Train a dense and a convolutional model on shuffled pictures."""
    jobs = list(product(SHUFFLED, SHUFFLED_SPLITS, (False, True)))
    write("shuffled", in_processes(measure_shuffled, jobs))


@main.command()
def times():
    """Time both models' training in turn."""
    write("times", measure_times())


@main.command(name="all-styles")
def all_styles():
    """Train on every emoji in every style, once."""
    config = vae_nb.load_config("configs/all_styles.json")
    run = vae_nb.load_or_train(config, RUNS / "all_styles")
    faces = {path.stem for path in (ROOT / FACES).rglob("*.png")}
    held_out = run.validation_set
    rows = [
        row
        for row, (style, name) in enumerate(zip(held_out.styles, held_out.names, strict=True))
        if style == "noto" and name in faces
    ]
    baseline = excess_of_the_mean_image(run.vae, held_out.select(rows))
    excess = vae_nb.reconstruction_quality(run.vae, held_out.select(rows))["excess"]
    machine = describe()
    write(
        "all styles",
        {
            "pictures": len(run.train_set),
            "parameters": run.vae.parameters.size,
            "machine": f"{machine['processor']}, {machine['cores']} cores",
            "metrics": run.metrics,
            "faces": {
                "count": len(rows),
                "excess": excess,
                "normalized_excess": excess / baseline,
            },
        },
    )


@main.command()
def pictures():
    """Draw the figures of the page."""
    first = SPLITS[0]
    for name, figure in {
        "models": draw_models(first),
        "styles": draw_styles(first),
        "shuffled": draw_shuffled(first),
    }.items():
        path = IMAGES / f"experiments_{name}.png"
        figure.savefig(path)
        with Image.open(path) as image:
            # 256 colors: a third of the bytes, without visible loss.
            few_colors = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few_colors.save(path, optimize=True)


if __name__ == "__main__":
    main()

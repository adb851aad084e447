"""The `vae-nb` command."""

import json
import os
import re
import signal
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from tqdm import tqdm

from vae_nb.core.architecture import count_parameters
from vae_nb.data.config import Config, load_config, parse_override
from vae_nb.data.image_files import load_images, skipped_lines
from vae_nb.data.image_set import ImageSet
from vae_nb.run.checkpoints import checkpoint_epoch
from vae_nb.run.continuing import continuing_command
from vae_nb.run.export import check_export, export_model
from vae_nb.run.export_page import export_page
from vae_nb.run.memory import check_memory, training_bytes
from vae_nb.run.series import run_series, series_notebooks
from vae_nb.run.trained_run import TrainedRun, config_for, load_or_train
from vae_nb.run.working_copy import refresh_working_copy
from vae_nb.run.workspace import Workspace
from vae_nb.sweeps.definition import read_sweep_definition
from vae_nb.sweeps.engine import SweepOutcome, dask_executor, local_executor, run_sweep
from vae_nb.sweeps.plan import MAX_NAME_LENGTH, parse_grid, plan_sweep
from vae_nb.sweeps.results import flat
from vae_nb.sweeps.worker import NOTEBOOKS
from vae_nb.system.cores import core_count
from vae_nb.system.errors import (
    ConfigError,
    FilesError,
    ImagesError,
    Interrupted,
    ModelError,
    VaeNbError,
)
from vae_nb.system.files import make_folder
from vae_nb.system.messages import show_messages
from vae_nb.system.paths import PROJECT_ROOT

BAD_INPUT = (ConfigError, ImagesError, FilesError, ModelError)
STANDARD_ERROR = 2  # its file descriptor
EXIT_CODE_OF_SIGNAL = 128  # plus the signal's number, as in shells
MAX_WORD_LENGTH = 400  # of a message; a longer word is shortened
SHORTENED_LENGTH = 100  # at its start, and at its end
KILOBYTES_UP_TO = 100_000  # bytes; the size of a larger file is told in megabytes

TRAINING = "04"  # the notebook that trains even if there is a model
FIGURE_SUFFIXES = (".png", ".gif")
FIRST_FIGURE = "reconstruccion.png"


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Within this context, an error ends the command with one sentence and an exit code.

    The code is 2 for bad input, 1 for a run that failed, 130 for Ctrl-C, 143 for SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        click.echo(_shortened(str(error)) or "Interrupted.", err=True)
        sys.exit(EXIT_CODE_OF_SIGNAL + signal.SIGINT)
    except VaeNbError as error:
        click.echo(f"Error: {_shortened(str(error))}", err=True)
        sys.exit(2 if isinstance(error, BAD_INPUT) else 1)


def _shortened(text: str) -> str:
    """Return a text without the middle of any word, for example of a path, that is very long."""

    def shorten(match: re.Match[str]) -> str:
        return f"{match[0][:SHORTENED_LENGTH]}…{match[0][-SHORTENED_LENGTH:]}"

    return re.sub(rf"\S{{{MAX_WORD_LENGTH},}}", shorten, text)


def _terminate(number: int, frame: FrameType | None) -> None:
    """End the command after SIGTERM."""
    os.write(STANDARD_ERROR, b"Terminated.\n")  # the signal may have interrupted a print
    sys.exit(EXIT_CODE_OF_SIGNAL + number)


def _absolute(path: str) -> Path:
    """Make a path absolute. What a user types starts at the shell's working directory."""
    return Path(os.path.expanduser(path)).absolute()


def _absolute_callback(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> Path | None:
    """Make the path of an option or an argument absolute."""
    return None if value is None else _absolute(value)


def _overrides(
    context: click.Context, parameter: click.Parameter, settings: tuple[str, ...]
) -> dict[str, Any]:
    """Read what --set is given."""
    with _one_sentence():
        return dict(parse_override(setting) for setting in settings)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="emoji-vae-notebooks")
def main() -> None:
    """A variational autoencoder in plain NumPy, as a series of notebooks."""
    show_messages(sys.stderr)


_config_option = click.option(
    "--config",
    "config_path",
    callback=_absolute_callback,
    help="Configuration.  [default: config.json]",
)
_output_option = click.option(
    "--output", "output_dir", callback=_absolute_callback, help="Folder.  [default: output]"
)
_set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=_overrides,
    metavar="KEY=VALUE",
    help="Override one key, for example model.latent_dim=8. May be repeated.",
)


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the commands that work with a trained model."""
    return _config_option(_output_option(_set_option(command)))


@main.command()
@_run_options
@click.option("--only", metavar="NUMBERS", help="Run some notebooks, for example 04-06.")
@click.option("--jobs", type=click.IntRange(1), help="Notebooks at a time.  [default: all cores]")
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--wait", is_flag=True, help="Wait for another run into the same folder.")
@click.option("--verify", is_flag=True, help="Read all images again, not those in the cache.")
def run(
    config_path: Path | None,
    output_dir: Path | None,
    overrides: dict[str, Any],
    only: str | None,
    jobs: int | None,
    resume: bool,
    wait: bool,
    verify: bool,
) -> None:
    """Execute the notebooks, and list the figures that they made."""
    config_path = config_path or Path("config.json")
    with _one_sentence():
        config = load_config(config_path, overrides)
        workspace = Workspace(output_dir or "output")
        # What can be wrong shows up now, rather than in a notebook.
        notebooks = series_notebooks(only)
        check_memory(config)
        images = load_images(config.data, verify=verify)
        images.split(config.data.validation_split, config.training.seed, config.data.split_by)
        for line in skipped_lines(images):
            click.echo(f"Warning: skipped {line}", err=True)
        make_folder(workspace.folder)
        click.echo(f"{len(images)} images. Results go to {workspace.folder}.")
        trains_anew = not resume and any(path.name.startswith(TRAINING) for path in notebooks)
        if resume or trains_anew:
            restart = continuing_command(
                config_path, workspace.folder, overrides, only, resume=True
            )
            _say_what_is_saved(workspace, config, images, resume, restart)
        times_before = _result_times(workspace)
        run_series(
            config_path,
            workspace.folder,
            overrides,
            only,
            jobs=jobs or core_count(),
            resume=resume,
            wait=wait,
            # It moves the bars of other notebooks out of the way.
            on_notebook=lambda name, seconds: tqdm.write(f"{name:<28} {seconds:6.1f} s"),
        )
        times = _result_times(workspace)
        made = [path for path in sorted(times) if times[path] != times_before.get(path)]
        _report(workspace, made)


def _say_what_is_saved(
    workspace: Workspace, config: Config, images: ImageSet, resume: bool, restart: str
) -> None:
    """Say whether there is a checkpoint of this training, and what becomes of it.

    Raises
    ------
    ModelError
        If the training is to be resumed, and the checkpoint is damaged or of another training.
    """
    path = workspace.checkpoint_path
    try:
        epoch = checkpoint_epoch(config, workspace.folder, images)
    except ModelError:
        if resume:
            raise
        return
    epochs = config.training.epochs
    if resume and epoch is None:
        click.echo(f"There is no checkpoint {path}: training from epoch 1.")
    elif resume:
        click.echo(f"Going on from {path} in epoch {epoch} of {epochs}.")
    elif epoch is not None:
        click.echo(
            f"This training was interrupted in epoch {epoch} of {epochs}, and is saved in {path}. "
            f"It now starts again from epoch 1. To continue it instead: {restart}"
        )


def _result_times(workspace: Workspace) -> dict[Path, int]:
    """Return when the metrics and each figure of a workspace were written."""
    try:
        files = list(workspace.images.iterdir())
    except OSError:  # there is no such folder yet, or there cannot be one
        files = []
    figures = [path for path in files if path.suffix in FIGURE_SUFFIXES]
    paths = [path for path in (workspace.metrics_path, *figures) if os.path.exists(path)]
    return {path: path.stat().st_mtime_ns for path in paths}


def _report(workspace: Workspace, made: list[Path]) -> None:
    """Print the metrics and the figures that a run made, and what to open first."""
    if workspace.metrics_path in made:
        click.echo("\nMetrics")
        for key, value in flat(json.loads(workspace.metrics_path.read_text(encoding="utf-8"))):
            text = f"{value:.4g}" if isinstance(value, float) else f"{value}"
            click.echo(f"  {key:<22} {text}")
    figures = [path for path in made if path != workspace.metrics_path]
    if figures:
        click.echo("\nFigures")
        for figure in figures:
            click.echo(f"  {figure}")
    click.echo(f"\n{_what_to_open(workspace, figures)}")


def _what_to_open(workspace: Workspace, figures: list[Path]) -> str:
    """Say in one line what to look at first."""
    first = ""
    if figures:
        best = workspace.images / FIRST_FIGURE
        first = f"Open {best if best in figures else figures[0]} first. "
    return (
        f"{first}The executed notebooks are in {workspace.notebooks}; to work through them "
        "yourself: make lab"
    )


@main.command()
@click.argument("files", nargs=-1)
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="KEY=VALUE,VALUE,…",
    help="Run every value of a key, in all combinations. May be repeated.",
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="Run each with this many seeds.")
@_set_option
@_output_option
@click.option("--name", help="Name of the folder in OUTPUT/sweeps.  [default: what is swept]")
@click.option("--only", metavar="NUMBERS", help="The notebooks of a run.  [default: 04-06,08]")
@click.option("--jobs", type=click.IntRange(1), help="Runs at a time.  [default: all cores]")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of each run."
)
@click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")
@click.option(
    "--notebooks-to",
    metavar="ADDRESS",
    help="Where papermill also stores the executed notebooks, for example s3://bucket/folder.",
)
@click.option("--wait", is_flag=True, help="Wait for another sweep into the same folder.")
def sweep(
    files: tuple[str, ...],
    grids: tuple[str, ...],
    seeds: int | None,
    overrides: dict[str, Any],
    output_dir: Path | None,
    name: str | None,
    only: str | None,
    jobs: int | None,
    threads: int,
    scheduler: str | None,
    notebooks_to: str | None,
    wait: bool,
) -> None:
    """Run many configurations, and compare them.

    FILES are configurations, config.json if there are none, or one definition of a sweep
    (configs/sweeps). Runs that are complete in the sweep's folder are not run again.
    """
    with _one_sentence():
        paths = [str(_absolute(file)) for file in files] or ["config.json"]
        definition, default_name = _sweep_definition(paths, grids, seeds)
        name = name or default_name
        if name != Path(name).name or name == "..":
            raise FilesError(f"--name is {name!r}; allowed is the name of a folder.")
        if notebooks_to and "://" not in notebooks_to:
            notebooks_to = str(_absolute(notebooks_to))
        if jobs and scheduler:
            raise ConfigError("--jobs is for this machine; with --scheduler its workers decide.")
        overrides = definition["set"] | overrides
        runs = plan_sweep(
            definition["configs"], definition["grids"], definition["seeds"], overrides
        )
        folder = Workspace(output_dir or "output").folder / "sweeps" / name
        executor_context = dask_executor(scheduler) if scheduler else local_executor(jobs)
        with executor_context as executor:
            click.echo(_shortened(f"{len(runs)} runs. Results go to {folder}."))
            outcome = run_sweep(
                runs,
                folder,
                executor,
                only=only or definition["only"],
                threads=threads,
                notebooks_to=notebooks_to,
                wait=wait,
            )
        _report_sweep(outcome, len(runs))
        if outcome.errors:
            sys.exit(1)


def _sweep_definition(
    paths: list[str], grids: tuple[str, ...], seeds: int | None
) -> tuple[dict[str, Any], str]:
    """Return a sweep's definition, from its file or from the options, and its default name."""
    definition = read_sweep_definition(paths[0])
    if definition is not None:
        if len(paths) > 1 or grids or seeds:
            raise ConfigError(
                f"{paths[0]} defines a sweep; no other file, --grid or --seeds may stand beside it."
            )
        return definition, Path(paths[0]).stem
    grid = dict(parse_grid(text) for text in grids)
    if len(grid) < len(grids):
        raise ConfigError("--grid names a key twice; give all its values at once.")
    names = [key.rpartition(".")[2] for key in grid] or [Path(path).stem for path in paths]
    definition = {
        "configs": paths,
        "grids": [grid],
        "seeds": seeds or 1,
        "set": {},
        "only": NOTEBOOKS,
    }
    return definition, "+".join(names)[:MAX_NAME_LENGTH]


def _report_sweep(outcome: SweepOutcome, planned: int) -> None:
    """Print how many of the planned runs are complete, where the results are, and the errors."""
    complete = planned - len(outcome.errors)
    earlier = f", {outcome.earlier} of them complete before" if outcome.earlier else ""
    click.echo(f"{complete} of {planned} runs are complete{earlier}.")
    click.echo(f"Table: {outcome.folder / 'results.csv'}")
    click.echo(f"Report: {outcome.report}")
    for run_name, error in outcome.errors.items():
        click.echo(f"Failed: {run_name}: {error}", err=True)


@main.command("check-config")
@click.argument("file", callback=_absolute_callback)
def check_config(file: Path) -> None:
    """Print FILE completed with the defaults, or all its errors."""
    with _one_sentence():
        config = load_config(file)
        click.echo(json.dumps(config.to_dict(), indent=2))
        parameters = count_parameters(config.model, config.data.image_shape)
        click.echo(f"Parameters: {parameters:,}")
        megabytes = training_bytes(config) / 1e6
        click.echo(f"Memory for training: about {megabytes:,.0f} MB, besides the images")
        check_memory(config)


@main.command()
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def lab(jupyter_options: tuple[str, ...]) -> None:
    """Open a working copy of the notebooks in JupyterLab.

    The copy is the folder my_notebooks, which git ignores. Its notebooks have no outputs until you
    run them. When the series has a new version of a notebook, it replaces your copy, unless you
    have changed a cell in it. JUPYTER_OPTIONS, after a --, are passed to JupyterLab.
    """
    with _one_sentence():
        notebooks, kept = refresh_working_copy()
    for path in kept:
        click.echo(
            f"{path} is yours: you have changed it, and the series has a new version. "
            "To get the new one, rename yours and start again."
        )
    from jupyterlab.labapp import LabApp

    root_options = _options_of_root(jupyter_options)
    first = notebooks[0].relative_to(PROJECT_ROOT).as_posix()
    where = [f"--notebook-dir={PROJECT_ROOT}", f"--LabApp.default_url=/lab/tree/{first}"]
    # In this process, so that Ctrl-C and signals reach JupyterLab itself.
    LabApp.launch_instance(["--ip=127.0.0.1", *where, *root_options, *jupyter_options])


def _options_of_root(jupyter_options: tuple[str, ...]) -> list[str]:
    """Return what JupyterLab needs to start as root, which it refuses otherwise."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not is_root or "--allow-root" in jupyter_options:
        return []
    if any(re.match(r"--(\w+\.)?ip\b", option) for option in jupyter_options):
        click.echo(
            "You are root, and --ip lets other machines in. If you want that, for example in a "
            "container: vae-nb lab -- --allow-root …",
            err=True,
        )
        return []
    click.echo(
        "You are root, for example in a container: JupyterLab starts with --allow-root, and only "
        "this machine can reach it."
    )
    return ["--allow-root"]


@main.command()
@_run_options
@click.argument("file", callback=_absolute_callback)
def export(
    config_path: Path | None, output_dir: Path | None, overrides: dict[str, Any], file: Path
) -> None:
    """Write a model for others, to FILE.

    \b
    page.html   the latent explorer as one page, without a server or a network
    model.onnx  encoder and decoder, for other tools: model_encoder.onnx, model_decoder.onnx
    card.md     a model card: what it is for, what it was trained on, how good it is

    The model is that in the output folder. If --config or --set ask for another one, or if there is
    none yet, it is trained first.
    """
    with _one_sentence():
        check_export(file)
        run = _run_of(output_dir or Path("output"), config_path, overrides)
        paths = export_model(run, file)
    for path in paths:
        size = path.stat().st_size
        shown = f"{size / 1e6:.1f} MB" if size > KILOBYTES_UP_TO else f"{size / 1e3:.0f} kB"
        click.echo(f"Wrote {path} ({shown}).")


@main.command()
@_run_options
def app(config_path: Path | None, output_dir: Path | None, overrides: dict[str, Any]) -> None:
    """Write the latent explorer as a page into the output folder, and open it in the browser.

    It is of the model in the output folder. If --config or --set ask for another one, or if there
    is none yet, it is trained first.
    """
    output_dir = output_dir or Path("output")
    with _one_sentence():
        run = _run_of(output_dir, config_path, overrides)
        page = export_page(run, Workspace(output_dir).folder / "explorer.html")
    if webbrowser.open(page.as_uri()):
        click.echo(f"Opened {page}.")
    else:
        click.echo(f"There is no browser here that could be started. Open this file: {page}")


def _run_of(output_dir: Path, config_path: Path | None, overrides: dict[str, Any]) -> TrainedRun:
    """Load the model in an output folder, or train the one that is asked for."""
    config = config_for(output_dir, config_path, overrides)
    make_folder(Workspace(output_dir).folder)
    return load_or_train(config, output_dir)

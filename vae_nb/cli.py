"""The `vae-nb` command."""

import atexit
import json
import os
import signal
import sys
import tempfile
import webbrowser
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import click

from vae_nb.core.model import count_parameters
from vae_nb.data.config import load_config, parse_override
from vae_nb.data.image_files import load_images, skipped_lines
from vae_nb.run.checkpoints import find_checkpoint
from vae_nb.run.explorer_notebook import write_explorer_notebook
from vae_nb.run.series import run_series, series_notebooks
from vae_nb.run.trained_run import load_or_train
from vae_nb.run.working_copy import refresh_working_copy
from vae_nb.run.workspace import Workspace
from vae_nb.sweeps.engine import dask_executor, local_executor, run_sweep
from vae_nb.sweeps.plan import LONGEST_NAME, parse_grid, plan_sweep, read_sweep_definition
from vae_nb.sweeps.results import flat
from vae_nb.sweeps.worker import NOTEBOOKS
from vae_nb.system.errors import (
    ConfigError,
    FilesError,
    ImagesError,
    Interrupted,
    ModelError,
    VaeNbError,
)
from vae_nb.system.paths import PROJECT_ROOT

BAD_INPUT = (ConfigError, ImagesError, FilesError, ModelError)
FLOAT32_BYTES = 4
EXIT_OF_SIGNAL = 128  # and the signal's number, as shells have it


@contextmanager
def _one_sentence():
    """Turn what ends a command into one sentence and an exit code.

    2 for bad input, 1 for a run that failed, 130 for an interrupt, 143 for SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        click.echo(str(error) or "Interrupted.", err=True)
        sys.exit(EXIT_OF_SIGNAL + signal.SIGINT)
    except VaeNbError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, BAD_INPUT) else 1)


def _terminate(number, frame):
    os.write(sys.__stderr__.fileno(), b"Terminated.\n")  # print may be busy: this interrupts it
    sys.exit(EXIT_OF_SIGNAL + number)


def _absolute(context, parameter, value):
    """A path typed in a shell starts at the shell's working directory."""
    return None if value is None else Path(os.path.expanduser(value)).absolute()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="emoji-vae-notebooks")
def main():
    """A variational autoencoder in plain NumPy, as a series of notebooks."""


_config_option = click.option(
    "--config", "config_path", callback=_absolute, help="Configuration.  [default: config.json]"
)
_output_option = click.option(
    "--output", "output_dir", callback=_absolute, help="Folder.  [default: output]"
)
_set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one key, for example model.latent_dim=8. May be repeated.",
)


def _run_options(command):
    """The options of every command that works with a trained model: which one, and where."""
    return _config_option(_output_option(_set_option(command)))


@main.command()
@_run_options
@click.option("--only", metavar="NUMBERS", help="Run some notebooks, for example 04-06.")
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--wait", is_flag=True, help="Wait for another run into the same folder.")
def run(config_path, output_dir, settings, only, resume, wait):
    """Execute the notebooks, and list the figures and pictures that they made."""
    config_path = config_path or "config.json"
    output_dir = output_dir or "output"
    with _one_sentence():
        overrides = dict(parse_override(setting) for setting in settings)
        config = load_config(config_path, overrides)
        series_notebooks(only)
        images = load_images(config.data)
        images.split(config.data.validation_split, config.training.seed)
        for line in skipped_lines(images):
            click.echo(f"Warning: skipped {line}", err=True)
        if resume:
            find_checkpoint(config, output_dir, images)  # refused now rather than in a notebook
        workspace = Workspace(output_dir)
        click.echo(f"{len(images)} pictures. Results go to {workspace.folder}.")
        before = _results(workspace)
        run_series(
            config_path,
            output_dir,
            overrides,
            only,
            resume=resume,
            wait=wait,
            on_notebook=lambda name, seconds: click.echo(f"{name:<28} {seconds:6.1f} s"),
        )
        made = sorted(set(_results(workspace).items()) - set(before.items()))
        _report(workspace, [path for path, _ in made])


def _results(workspace):
    """The metrics and pictures that a workspace holds, and when each was written."""
    pictures = (path for path in workspace.images.glob("*") if path.suffix in (".png", ".gif"))
    paths = [workspace.metrics_path, *pictures]
    return {path: path.stat().st_mtime_ns for path in paths if os.path.exists(path)}


def _report(workspace, made):
    """Print the metrics and the pictures that a run made."""
    if workspace.metrics_path in made:
        click.echo("\nMetrics")
        for key, value in flat(json.loads(workspace.metrics_path.read_text(encoding="utf-8"))):
            text = f"{value:.4g}" if isinstance(value, float) else f"{value}"
            click.echo(f"  {key:<22} {text}")
    pictures = [path for path in made if path != workspace.metrics_path]
    if pictures:
        click.echo("\nPictures")
        for picture in pictures:
            click.echo(f"  {picture}")


@main.command()
@click.argument("files", nargs=-1)
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="KEY=VALUE,VALUE,…",
    help="Run every value of a key, in all combinations. May be repeated.",
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="Run each with so many seeds.")
@_set_option
@_output_option
@click.option("--name", help="Of the folder in OUTPUT/sweeps.  [default: of what is swept]")
@click.option("--only", metavar="NUMBERS", help="The notebooks of a run.  [default: 04-06,08]")
@click.option("--jobs", type=click.IntRange(1), help="Runs at a time.  [default: all cores]")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Of each run."
)
@click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")
@click.option(
    "--notebooks-to",
    metavar="ADDRESS",
    help="Where papermill stores the executed notebooks too, for example s3://bucket/folder.",
)
@click.option("--wait", is_flag=True, help="Wait for another sweep into the same folder.")
def sweep(
    files,
    grids,
    seeds,
    settings,
    output_dir,
    name,
    only,
    jobs,
    threads,
    scheduler,
    notebooks_to,
    wait,
):
    """Run many configurations, and compare them.

    FILES are configurations, config.json if there are none, or one definition of a sweep
    (configs/sweeps). Runs that are complete in the sweep's folder are not run again.
    """
    with _one_sentence():
        files = [str(_absolute(None, None, file)) for file in files] or ["config.json"]
        definition = read_sweep_definition(files[0])
        if definition is None:
            grid = dict(parse_grid(text) for text in grids)
            if len(grid) < len(grids):
                raise ConfigError("--grid names a key twice; give all its values at once.")
            definition = {"configs": files, "grids": [grid], "seeds": seeds or 1, "set": {}}
            names = [key.rpartition(".")[2] for key in grid] or [Path(file).stem for file in files]
            name = name or "+".join(names)[:LONGEST_NAME]
        elif len(files) > 1 or grids or seeds:
            raise ConfigError(
                f"{files[0]} defines a sweep; no other file, --grid or --seeds may stand beside it."
            )
        name = name or Path(files[0]).stem
        if name != Path(name).name or name == "..":
            raise FilesError(f"--name is {name!r}; allowed is the name of a folder.")
        if notebooks_to and "://" not in notebooks_to:
            notebooks_to = str(_absolute(None, None, notebooks_to))
        if jobs and scheduler:
            raise ConfigError("--jobs is for this machine; with --scheduler its workers decide.")
        only = only or definition.pop("only", NOTEBOOKS)
        overrides = definition.pop("set") | dict(parse_override(setting) for setting in settings)
        runs = plan_sweep(**definition, overrides=overrides)
        folder = Workspace(output_dir or "output").folder / "sweeps" / name
        executor = dask_executor(scheduler) if scheduler else local_executor(jobs)
        with executor as pool:
            click.echo(f"{len(runs)} runs. Results go to {folder}.")
            outcome = run_sweep(
                runs,
                folder,
                pool,
                only=only,
                threads=threads,
                notebooks_to=notebooks_to,
                wait_for_folder=wait,
            )
        there = f", {outcome.earlier} of them complete before" if outcome.earlier else ""
        click.echo(f"{len(runs) - len(outcome.errors)} of {len(runs)} runs are complete{there}.")
        click.echo(f"Table: {folder / 'results.csv'}")
        if outcome.report:
            click.echo(f"Report: {outcome.report}")
        for run_name, error in outcome.errors.items():
            click.echo(f"Failed: {run_name}: {error}", err=True)
        if outcome.errors:
            sys.exit(1)


@main.command("check-config")
@click.argument("file", callback=_absolute)
def check_config(file):
    """Print the complete configuration that FILE stands for, or all its errors."""
    with _one_sentence():
        config = load_config(file)
        parameters = count_parameters(config.model, config.data.image_shape)
        # Weights, gradients, Adam's two moments, and the best weights so far.
        megabytes = 5 * parameters * FLOAT32_BYTES / 1e6
        click.echo(json.dumps(config.to_dict(), indent=2))
        click.echo(f"Parameters: {parameters:,}")
        click.echo(f"Memory for training: about {megabytes:,.0f} MB, besides the pictures")


@main.command()
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def lab(jupyter_options):
    """Open a working copy of the notebooks in JupyterLab.

    The copy is the folder my_notebooks, which git ignores. Notebooks in it that nobody changed
    are brought up to date with the series; those that somebody changed are left alone.
    JUPYTER_OPTIONS, after a --, are handed to JupyterLab.
    """
    with _one_sentence():
        notebooks, kept = refresh_working_copy()
    for path in kept:
        click.echo(
            f"{path} is yours: it differs from the series, which has a new version. "
            "To have that one, rename yours and start again."
        )
    from jupyterlab.labapp import LabApp

    first = notebooks[0].relative_to(PROJECT_ROOT).as_posix()
    where = [f"--notebook-dir={PROJECT_ROOT}", f"--LabApp.default_url=/lab/tree/{first}"]
    # In this process, so that Ctrl-C and signals reach JupyterLab itself.
    LabApp.launch_instance(["--ip=127.0.0.1", *where, *jupyter_options])


@main.command()
@_run_options
@click.argument("voila_options", nargs=-1, type=click.UNPROCESSED)
def app(config_path, output_dir, settings, voila_options):
    """Serve the latent explorer alone, with Voilà, to this computer's browser.

    A model is trained first where there is none. VOILA_OPTIONS, after a --, are handed to Voilà.
    """
    config_path = config_path or "config.json"
    output_dir = output_dir or "output"
    with _one_sentence():
        try:
            from voila.app import Voila
        except ImportError:
            raise FilesError(
                "Voilà is not installed; `make app` brings it, and so does: pip install -e '.[app]'"
            ) from None
        overrides = dict(parse_override(setting) for setting in settings)
        load_or_train(load_config(config_path, overrides), output_dir)
        notebook = write_explorer_notebook(config_path, output_dir, overrides)

    class App(Voila):
        def launch_browser(self):
            """Open the address with its token, by a file that nobody else can read."""
            descriptor, path = tempfile.mkstemp(suffix=".html")
            with open(descriptor, "w") as file:
                file.write(f'<meta http-equiv="refresh" content="0; url={self.display_url}">')
            atexit.register(Path(path).unlink, missing_ok=True)
            open_page = webbrowser.get(self.browser or None).open
            # Some browsers stay in the foreground; the server starts meanwhile.
            Thread(target=open_page, args=[Path(path).as_uri()], daemon=True).start()

    # In this process, so that Ctrl-C and signals reach Voilà itself.
    where = ["--Voila.ip=127.0.0.1", "--Voila.auto_token=True"]
    App.launch_instance([str(notebook), *where, *voila_options])

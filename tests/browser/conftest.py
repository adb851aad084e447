"""A browser, servers, and a trained model, once for all browser tests.

They end with the package: playwright keeps an event loop running, which others could not start.
"""

import pytest
from conftest import ROOT

import vae_nb
from browser.front_ends import jupyterlab, open_browser

EPOCHS = 3  # the default model, as quick as it is large; what it has learned does not matter


@pytest.fixture(scope="package")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def parameters(browser, tmp_path_factory):
    """What a notebook needs to load a trained default model."""
    output = tmp_path_factory.mktemp("output")
    parameters = {
        "config_path": str(ROOT / "configs" / "all_emojis.json"),
        "output_dir": str(output),
        "overrides": {"data.input_dir": "input/emojis", "training.epochs": EPOCHS},
    }
    config = vae_nb.load_config(parameters["config_path"], parameters["overrides"])
    vae_nb.train_and_save(config, output, progress=False)
    return parameters


@pytest.fixture(scope="package")
def lab_folder(tmp_path_factory):
    """The notebooks that JupyterLab serves."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="package")
def lab(browser, lab_folder, tmp_path_factory):
    """JupyterLab: the address of a notebook of `lab_folder` by its name."""
    with jupyterlab(lab_folder, tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture(scope="package")
def new_page(browser):
    """A function that opens an empty page, which remembers the errors on its console."""

    def open_page():
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        # Voilà's page asks for fonts from elsewhere. Nothing here may need them, or a network.
        page.route(
            lambda address: (
                not address.startswith(("http://127.0.0.1:", "data:", "blob:", "file:"))
            ),
            lambda route: route.fulfill(body=""),
        )
        page.set_default_timeout(120_000)  # patience, for a machine that does other things as well
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "console", lambda line: page.errors.append(line.text) if line.type == "error" else None
        )
        return page

    return open_page

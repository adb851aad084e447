"""A browser, servers, and a trained model, started once for all browser tests.

They end with the package: playwright keeps an event loop running, and no other test could start one
meanwhile.
"""

import pytest
from conftest import ROOT

import vae_nb
from browser.front_ends import jupyterlab, open_browser

EPOCHS = 60  # a moment; its pictures differ, and that is enough


@pytest.fixture(scope="package")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def parameters(browser, tmp_path_factory):
    """Train a model with small layers, so that pages open quickly.

    Return the parameters with which a notebook loads it.
    """
    output = tmp_path_factory.mktemp("output")
    parameters = {
        "config_path": str(ROOT / "configs" / "all_emojis.json"),
        "output_dir": str(output),
        "overrides": {
            "data.input_dir": "input/emojis",
            "model.encoder_layers": [{"units": 64, "activation": "tanh"}],
            "training.epochs": EPOCHS,
        },
    }
    config = vae_nb.load_config(parameters["config_path"], parameters["overrides"])
    vae_nb.train_and_save(config, output, progress=False)
    return parameters


@pytest.fixture(scope="package")
def lab_folder(tmp_path_factory):
    """The folder of the notebooks that JupyterLab serves."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="package")
def lab(browser, lab_folder, tmp_path_factory):
    """Start JupyterLab; yield a function from a name in `lab_folder` to its address."""
    with jupyterlab(lab_folder, tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture(scope="package")
def new_page(browser):
    """Return a function that opens an empty page.

    `page.errors` collects the errors of its console, and its requests to other machines.
    """

    def open_page(width=1280, height=900, **options):
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        page.set_default_timeout(120_000)  # milliseconds; the machine may be busy
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "console", lambda line: page.errors.append(line.text) if line.type == "error" else None
        )
        page.on("request", lambda request: page.errors.extend(elsewhere(request.url)))
        return page

    def elsewhere(address):
        is_here = address.startswith(("http://127.0.0.1:", "data:", "blob:", "file:"))
        return [] if is_here else [f"asked for {address}"]

    return open_page

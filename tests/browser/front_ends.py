"""JupyterLab as a server, and a browser that opens its pages."""

import base64
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import nbformat
import numpy as np
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image
from playwright.sync_api import sync_playwright

# The names in Debian and Arch, in Ubuntu, and in Google's and Microsoft's packages.
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
)
BROWSER_OPTIONS = [
    "--no-sandbox",  # the root user of a container cannot use it
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]
TOKEN = "a-token-of-the-tests"
MAX_STARTING_SECONDS = 60  # of a server


def browser_path():
    """Return the path of a browser; without one, skip the tests, or fail if one is required."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return path
    reason = f"no browser on the PATH; looked for {', '.join(BROWSERS)}"
    if os.environ.get("VAE_NB_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def open_browser():
    path = browser_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
        yield browser
        browser.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def private_environment(folder):
    """Give Jupyter empty settings: it neither reads nor changes those of the user."""
    names = ["CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"]
    places = {f"JUPYTER_{name}": folder / name.lower() for name in names}
    places["JUPYTERLAB_SETTINGS_DIR"] = folder / "settings"
    places["JUPYTERLAB_WORKSPACES_DIR"] = folder / "workspaces"
    places["IPYTHONDIR"] = folder / "ipython"
    for place in places.values():
        place.mkdir(parents=True)
    settings = {
        # No window that offers news.
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        # Cells stay in the page when they are scrolled out of sight.
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        path = places["JUPYTERLAB_SETTINGS_DIR"] / f"@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    paths = {name: str(place) for name, place in places.items()}
    return os.environ | paths | {"PYTHONPATH": str(ROOT)}


@contextmanager
def server(command, address, folder):
    """Run a server: the block begins when it answers, and its end stops it."""
    log = folder / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=private_environment(folder / "jupyter"),
            stdout=file,
            stderr=file,
        )
        try:
            for _ in range(5 * MAX_STARTING_SECONDS):
                try:
                    urllib.request.urlopen(address).close()
                    break
                except urllib.error.HTTPError:
                    break  # it asks for the token
                except (urllib.error.URLError, ConnectionError):
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.2)
            else:
                pytest.fail(f"The server did not start:\n{log.read_text()[-2000:]}")
            yield
        finally:
            end(process)


def end(process):
    """End a server; kill it if it does not react, and fail."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@contextmanager
def jupyterlab(notebooks, folder):
    """Run JupyterLab on a folder of notebooks; yield a function from a name to its address."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--notebook-dir={notebooks}"),
        f"--IdentityProvider.token={TOKEN}",
    ]
    root = f"http://127.0.0.1:{port}"
    with server(command, f"{root}/api/status", folder):
        yield lambda name: f"{root}/doc/tree/{name}?token={TOKEN}&reset"


# --- notebooks ---

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
RAN = "all cells have run"


def prepare(notebook, parameters):
    """Set a notebook's parameters, and add a last cell that says that all have run."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.append(new_code_cell(f"print({RAN!r})"))
    return notebook


def write_notebook(path, *sources):
    """Write a notebook of code cells."""
    notebook = new_notebook(
        cells=[new_code_cell(source) for source in sources], metadata={"kernelspec": KERNEL}
    )
    nbformat.write(prepare(notebook, {}), path)


# --- pages ---


def run_all_cells(page, address):
    """Open a notebook in JupyterLab and run it; return when the first cell runs."""
    page.goto(address)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    begun = page.locator(".jp-CodeCell .jp-InputPrompt").filter(has_text=re.compile(r"\[[*\d]"))

    def run():
        # While JupyterLab is still starting, the command of the menu may do nothing. So repeat it.
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_timeout(1000)
        return begun.count()

    wait_for(run, "the first cell to run")


def wait_until_run(page, timeout=180):
    """Wait for the output of the last cell."""
    outputs = page.locator(".jp-OutputArea-output").filter(has_text=RAN)
    outputs.last.wait_for(state="attached", timeout=1000 * timeout)


def no_wider_than_the_window(page):
    """Return whether the page and all outputs fit without scrolling sideways."""
    return page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll(".jp-OutputArea-output")]
            .every((element) => element.scrollWidth <= element.clientWidth + 1)"""
    )


def canvas_pixels(canvas):
    """Return the pixels of a canvas: uint8, shape (height, width, 3)."""
    address = canvas.evaluate("(canvas) => canvas.toDataURL('image/png')")
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image.convert("RGB"))


def wait_for(condition, what, timeout=60):
    """Wait until the result of a condition is true, and return that result."""
    ends = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < ends, f"waited {timeout} s for {what}"
        time.sleep(0.02)
    return result

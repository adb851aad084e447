"""JupyterLab and Voilà as servers of their own, and a browser that opens their pages."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from conftest import ROOT
from playwright.sync_api import sync_playwright

# Debian and Arch, Ubuntu, Google's and Microsoft's packages.
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
)
BROWSER_OPTIONS = [
    "--no-sandbox",  # a container's root has none
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]
TOKEN = "a-token-of-the-tests"
STARTING = 60  # seconds that a server may take


def browser_path():
    """Where a browser is; without one the tests are skipped, or fail where one must be."""
    paths = filter(None, map(shutil.which, BROWSERS))
    path = next(paths, None)
    if path is None:
        reason = f"no browser on the PATH; looked for {', '.join(BROWSERS)}"
        if os.environ.get("VAE_NB_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


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
    """Settings of Jupyter's that are nobody's: neither read nor changed are the reader's own."""
    names = ["CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"]
    places = {f"JUPYTER_{name}": folder / name.lower() for name in names}
    places["JUPYTERLAB_SETTINGS_DIR"] = folder / "settings"
    places["JUPYTERLAB_WORKSPACES_DIR"] = folder / "workspaces"
    places["IPYTHONDIR"] = folder / "ipython"
    for place in places.values():
        place.mkdir(parents=True)
    # No window that asks whether news are wanted.
    news = places["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab/apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    paths = {name: str(place) for name, place in places.items()}
    return os.environ | paths | {"PYTHONPATH": str(ROOT)}


@contextmanager
def server(command, status_url, folder):
    """A server, from when it answers until the block ends."""
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
            for _ in range(STARTING * 5):
                try:
                    urllib.request.urlopen(status_url).close()
                    break
                except (urllib.error.URLError, ConnectionError):
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.2)
            else:
                pytest.fail(f"The server did not start:\n{log.read_text()}")
            yield
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def jupyterlab(notebooks, folder):
    """JupyterLab over a folder of notebooks; yields the address of a notebook by its name."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--notebook-dir={notebooks}"),
        f"--IdentityProvider.token={TOKEN}",
    ]
    root = f"http://127.0.0.1:{port}"
    with server(command, f"{root}/api/status?token={TOKEN}", folder):
        yield lambda name: f"{root}/doc/tree/{name}?token={TOKEN}&reset"


@contextmanager
def voila(notebook, folder):
    """Voilà, which serves one notebook; yields its address."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "voila", str(notebook), "--no-browser", "--Voila.ip=127.0.0.1"),
        *(f"--port={port}", "--Voila.port_retries=0", f"--token={TOKEN}"),
    ]
    root = f"http://127.0.0.1:{port}"
    with server(command, f"{root}/voila/static/main.js", folder):
        yield f"{root}/?token={TOKEN}"

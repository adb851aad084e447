"""`vae-nb app`: the explorer alone, as a class sees it on the projector."""

import re
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from conftest import ROOT

from browser.front_ends import canvas_pixels, free_port, private_environment, wait_for


@pytest.fixture
def app(parameters, tmp_path):
    """The address of the app, with its token."""
    log, port = tmp_path / "log", free_port()
    settings = [f"{key}={value}" for key, value in parameters["overrides"].items()]
    command = [
        *(sys.executable, "-m", "vae_nb", "app", "--config", parameters["config_path"]),
        *("--output", parameters["output_dir"], *(f"--set={setting}" for setting in settings)),
        *("--", "--no-browser", f"--port={port}", "--Voila.port_retries=0"),
    ]
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=private_environment(tmp_path / "jupyter"),
            stdout=file,
            stderr=file,
        )
        try:
            pattern = re.compile(rf"http://127\.0\.0\.1:{port}/\S*token=\w+")
            found = wait_for(lambda: pattern.search(log.read_text()), "the address", timeout=60)
            yield found[0]
        finally:
            process.terminate()
            process.wait(30)


def test_the_explorer_alone_is_served_with_a_token(app, new_page):
    page = new_page()
    page.goto(app)
    picture = page.locator(".vae-nb-picture").first
    picture.wait_for(timeout=60_000)
    page.get_by_role("heading", name="Latent explorer").wait_for()
    before = canvas_pixels(picture)
    page.get_by_role("button", name="Draw from the prior").click()
    wait_for(lambda: not np.array_equal(canvas_pixels(picture), before), "another picture")
    assert "load_or_train" not in page.locator("body").inner_text()  # no code
    assert not page.errors, page.errors
    page.close()
    with urllib.request.urlopen(app.partition("?")[0]) as without_token:
        assert "/login" in without_token.url
        assert b"Latent explorer" not in without_token.read()

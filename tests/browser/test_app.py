"""`vae-nb app`: the explorer without code, as a class sees it on the projector."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname, urlopen

import numpy as np
import pytest
from conftest import ROOT

from browser.front_ends import canvas_pixels, end, free_port, private_environment, wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def app(parameters, tmp_path):
    """Start the app; yield the file that it opens and the address, with a token, that it prints."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\nexec sleep 600\n')
    browser.chmod(0o700)
    log, port = tmp_path / "log", free_port()
    settings = [f"{key}={value}" for key, value in parameters["overrides"].items()]
    command = [
        *(sys.executable, "-m", "vae_nb", "app", "--config", parameters["config_path"]),
        *("--output", parameters["output_dir"], *(f"--set={setting}" for setting in settings)),
        *("--", f"--port={port}", "--Voila.port_retries=0"),
    ]
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=private_environment(tmp_path / "jupyter") | {"BROWSER": f"{browser} %s"},
            stdout=file,
            stderr=file,
        )
        try:
            pattern = re.compile(rf"http://127\.0\.0\.1:{port}/\S*token=\w+")
            found = wait_for(lambda: pattern.search(log.read_text()), "the address", timeout=60)
            asked = wait_for(
                lambda: opened.exists() and opened.read_text().strip(), "a browser that is asked"
            )
            yield asked, found[0]
        finally:
            end(process)


def test_the_explorer_alone_is_served_with_a_token(app, new_page):
    opened, address = app
    path = Path(url2pathname(urlsplit(opened).path))
    assert path.stat().st_mode & 0o077 == 0  # only the user may read the token
    page = new_page()
    page.goto(opened)
    image = page.locator(".vae-nb-image").first
    image.wait_for(timeout=60_000)
    page.get_by_role("heading", name="Latent explorer").wait_for()
    before = canvas_pixels(image)
    page.get_by_role("button", name="Draw from the prior").click()
    wait_for(lambda: not np.array_equal(canvas_pixels(image), before), "another image")
    assert "load_or_train" not in page.locator("body").inner_text()  # no code
    assert not page.errors, page.errors
    page.close()
    path.unlink()
    with urlopen(address.partition("?")[0]) as without_token:
        assert "/login" in without_token.url
        assert b"Latent explorer" not in without_token.read()

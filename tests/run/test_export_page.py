"""The explorer as a page: one file that asks nothing of others, whatever is in it."""

import base64
import html.parser
import json
import re

import numpy as np
import pytest

import vae_nb
from vae_nb.run.export_page import export_page


class Page(html.parser.HTMLParser):
    """What a browser finds in a page: the state, the addresses, and the tags."""

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags, self.addresses, self.scripts = [], [], []
        self.feed(self.text)
        self.state = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        if self.tags[-1:] == ["script"]:
            self.scripts.append(data)


def renamed(run, *names):
    """Return the run with other names of its first pictures."""
    images = run.train_set
    names = (*names, *images.names[len(names) :])
    images = vae_nb.ImageSet(images.pixels, names, images.labels)
    return vae_nb.TrainedRun(run.config, images, images, run.vae, run.history, run.metrics)


def test_a_page_holds_the_model_and_asks_for_nothing(tiny_run, tmp_path):
    run = tiny_run
    path = export_page(run, tmp_path / "new" / "page.html")
    page = Page(path)
    assert path == tmp_path / "new" / "page.html"
    assert page.addresses == ["data:,"]  # no picture of the browser's tab is asked for
    assert "default-src 'none'" in page.text
    assert not re.search(r"""(?:fetch|import)\(|https?://""", page.text)
    numbers = np.frombuffer(base64.b64decode(page.state["numbers"]), "<f2")
    expected = np.concatenate(
        [array.ravel() for array in [*run.vae.named_parameters().values(), run.vae.mean_image]]
    )
    assert np.array_equal(numbers, expected.astype(np.float16))
    assert page.state["facts"]["number_format"] == "float16"
    assert len(page.state["vector"]) == run.vae.latent_dim


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<!--<script>", "a&amp;b", "$module", "\u2028"]
)
def test_a_name_is_text_and_never_markup(tiny_run, tmp_path, name):
    plain = Page(export_page(tiny_run, tmp_path / "plain.html"))
    page = Page(export_page(renamed(tiny_run, name), tmp_path / "page.html"))
    assert page.tags == plain.tags
    found = page.state["facts"]["names"][0]
    assert found == name.replace("\u2028", r"\u2028")  # what no terminal can take is escaped

"""Write the committed pages of the latent explorer.

    python tools/export_explorers.py      (or make explorers)

Run it after a change to the explorer or to one of the two configurations, and after a new training
of them. The models are those that tools/train_variants.py keeps in output/variants/; one that is
not there, or is of another configuration, is trained. Writes docs/explorer/convolutional.html and
docs/explorer/plane.html.
"""

from pathlib import Path

from vae_nb import load_config, load_or_train
from vae_nb.run.export_page import export_page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    ROOT / "docs" / "explorer" / f"{name}.html": f"configs/{name}.json"
    for name in ("convolutional", "plane")
}


def main():
    """Export each model as a page."""
    for page, config_path in PAGES.items():
        run = load_or_train(load_config(config_path), ROOT / "output" / "variants" / page.stem)
        export_page(run, page)
        print(f"{page.relative_to(ROOT)}: {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

"""Train every shipped configuration, and write the table of the results.

    python tools/train_variants.py                 all of them: about an hour on two cores
    python tools/train_variants.py basic deep      some of them; the other rows stay

After each training it writes docs/variants.json; `python tools/write_docs.py` then writes the table
in docs/experiments.md. The models go to output/variants/<name>/.
"""

import json
import sys
from pathlib import Path

from vae_nb import load_config, train_and_save

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "variants.json"
VARIANTS = {  # name: (file, overrides)
    "config": ("config.json", {}),
    "config_seed_0": ("config.json", {"training.seed": 0}),
    **{
        name: (f"configs/{name}.json", {})
        for name in (
            *("basic", "convolutional", "deep", "fine_details", "original"),
            *("all_emojis", "plane"),
        )
    },
}

HEADER = """\
| configuration | parameters | epochs | seconds (BLAS threads) | excess, training / held out | \
MSE, training / held out | KL | active units | distance / spread |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def as_markdown(rows):
    """Write the table for people.

    Parameters
    ----------
    rows : dict of str to dict
        The metrics by the configuration's name.

    Returns
    -------
    str
    """
    text = HEADER
    for name, row in rows.items():
        path, overrides = VARIANTS[name]
        label = ", ".join([f"`{path}`", *(f"{key} {value}" for key, value in overrides.items())])
        train, held_out, samples = row["train"], row["validation"], row["samples"]
        text += (
            f"| {label} | {row['parameters']:,} | {row['epochs']} | "
            f"{row['training_seconds']:.0f} ({row['threads']}) | "
            f"{train['excess']:.0f} / {held_out['excess']:.0f} | "
            f"{train['mse']:.4f} / {held_out['mse']:.4f} | {row['kl']:.1f} | "
            f"{row['active_units']} | {samples['distance']:.2f} / {samples['spread']:.2f} |\n"
        )
    machines = sorted({row["blas"] for row in rows.values()})
    return f"{text}\nMatrix products by {'; '.join(machines)}.\n"


def main(names):
    """Train configurations by name, and write the table after each training.

    Parameters
    ----------
    names : list of str
        Keys of `VARIANTS`. An empty list means all.
    """
    for name in names or VARIANTS:
        print(name, flush=True)
        run = train_and_save(load_config(*VARIANTS[name]), ROOT / "output" / "variants" / name)
        if run.metrics["kl"] <= 5 or run.metrics["active_units"] < min(8, run.vae.latent_dim):
            sys.exit(f"{name} collapsed: {run.metrics['active_units']} active units.")
        rows = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
        rows[name] = run.metrics
        rows = {key: rows[key] for key in VARIANTS if key in rows}
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

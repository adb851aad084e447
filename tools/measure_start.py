"""Measure what the first `make run` costs: disk, and the minutes of the installation.

    python tools/measure_start.py        a few minutes, and about a gigabyte in the temporary folder

It does what a new user does: it clones the project, as committed, and runs `make run` there,
without pip's cache. Writes docs/start.json; `python tools/write_docs.py` then writes the READMEs.
How long the run itself takes is measured by tools/measure_run.py. Nothing else should run at the
same time.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "start.json"
ENVIRONMENT = ".venv"
INSTALLED = f"{ENVIRONMENT}/ready"  # the Makefile's name for the environment without the tests


def megabytes(folder, without=()):
    """Return how much disk the files below a folder take.

    Parameters
    ----------
    folder : Path
    without : iterable of str
        Names of folders directly below it that are left out.

    Returns
    -------
    float
        In millions of bytes; a file with several names counts once.
    """
    inodes = {}
    for place, folders, files in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in without]
        for name in files:
            status = os.lstat(os.path.join(place, name))
            inodes[status.st_dev, status.st_ino] = 512 * status.st_blocks
    return sum(inodes.values()) / 1e6


def measure(project):
    """Install and run a clone.

    Parameters
    ----------
    project : Path
        The clone.

    Returns
    -------
    dict
        "megabytes" of the "clone", the "environment" and the "output", and "install_seconds".
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["PIP_NO_CACHE_DIR"] = "1"
    sizes = {"clone": megabytes(project)}
    started = time.perf_counter()
    subprocess.run(["make", INSTALLED], cwd=project, env=environment, check=True)
    seconds = time.perf_counter() - started
    sizes["environment"] = megabytes(project / ENVIRONMENT)
    subprocess.run(["make", "run"], cwd=project, env=environment, check=True)
    everything = megabytes(project, without=(ENVIRONMENT,))
    sizes["output"] = everything - sizes["clone"]
    sizes["environment"] = megabytes(project / ENVIRONMENT)  # with the compiled modules
    return {"megabytes": sizes, "install_seconds": seconds}


def gigabytes(start):
    """Return the disk that everything together takes, in gigabytes, as text."""
    return f"{sum(start['megabytes'].values()) / 1000:.1f}"


def main():
    """Measure, and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "emoji-vae"
        subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, project], check=True)
        start = {"machine": describe()} | measure(project)
    TABLE.write_text(json.dumps(start, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(start, indent=2))


if __name__ == "__main__":
    main()

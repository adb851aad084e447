"""Pack a class set: the whole project without the exercises' solutions.

    python tools/pack_class.py        writes dist/emoji-vae-class.zip

The archive contains only what is committed to git, so a teacher's own trials stay private.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "dist" / "emoji-vae-class.zip"
WITHOUT = ":(exclude)notebooks/solutions"


def pack(target=TARGET):
    """Write the archive, and return its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["git", "archive", "--format=zip", "--prefix=emoji-vae/", f"--output={target}"]
    subprocess.run([*command, "HEAD", ".", WITHOUT], cwd=ROOT, check=True)
    return target


if __name__ == "__main__":
    try:
        print(pack())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"A class set needs git and a clone of the project: {error}")

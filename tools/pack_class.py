"""Pack a class set: the whole project without answers, and with notebooks that were never run.

    python tools/pack_class.py        writes dist/emoji-vae-class.zip

The archive contains only what is committed to git, so a teacher's own trials stay private. The
solutions and the teacher's guide are left out, and the notebooks have no outputs, because an output
is the answer to the question above it.
"""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from vae_nb.run.notebook_text import without_outputs

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "dist" / "emoji-vae-class.zip"
WITHOUT = [":(exclude)notebooks/solutions", ":(exclude)docs/teaching.md"]
UNIX = 3  # how a zip file says whose file modes these are


def pack(target=TARGET):
    """Write the archive, and return its path."""
    command = ["git", "archive", "--format=zip", "--prefix=emoji-vae/", "HEAD", ".", *WITHOUT]
    committed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        zipfile.ZipFile(io.BytesIO(committed)) as archive,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename.endswith(".ipynb"):
                content = without_outputs(content.decode("utf-8")).encode("utf-8")
            if not entry.external_attr:  # Python would make the file private
                entry.create_system, entry.external_attr = UNIX, 0o100644 << 16
            packed.writestr(entry, content)
    return target


if __name__ == "__main__":
    try:
        print(pack())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"A class set needs git and a clone of the project: {error}")

"""Whose drawings a model was trained on."""

import re

from conftest import ROOT

from vae_nb.run.attribution import attribution


def test_drawings_are_attributed_as_their_license_files_say():
    noto = attribution("input/emojis")
    assert "Noto Color Emoji" in noto
    assert "Copyright 2022 Google Inc." in noto
    assert "SIL Open Font License" in noto
    assert attribution("input/more_emojis") == attribution(["input/emojis/heart"]) == noto
    for style in sorted((ROOT / "input" / "styles").iterdir()):
        if style.is_dir():
            license_text = (style / "LICENSE.txt").read_text(encoding="utf-8")
            said = attribution(str(style))
            address = re.search(r"https://github\.com/[^\s)]+", license_text)[0]
            assert address in said
            assert re.search(r"license: \S", said)
            assert len(said) < 600
    both = attribution(["input/emojis", "input/styles/fluent", "input/emojis"])
    assert both == f"{noto}\n\n{attribution('input/styles/fluent')}"
    assert "Copyright (c) Microsoft Corporation" in both


def test_a_folder_of_folders_is_attributed_to_all_of_their_authors():
    styles = [folder for folder in sorted((ROOT / "input/styles").iterdir()) if folder.is_dir()]
    assert attribution("input/styles") == attribution([str(style) for style in styles])
    assert attribution("input").startswith(attribution("input/emojis"))
    assert attribution("input").endswith(attribution("input/styles"))


def test_nothing_is_said_of_a_readers_own_pictures(tmp_path):
    (tmp_path / "LICENSE.txt").write_text("Mine.")
    assert attribution([str(tmp_path), "input/nowhere"]) == ""

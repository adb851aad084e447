"""A model is exported as what the ending of the file's name says."""

import sys

import pytest

from vae_nb.run.export import check_export, export_model
from vae_nb.system.errors import FilesError


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("page.html", ["page.html"]),
        ("model.onnx", ["model_encoder.onnx", "model_decoder.onnx"]),
        ("my.model.ONNX", ["my.model_encoder.ONNX", "my.model_decoder.ONNX"]),
        ("README.md", ["README.md"]),
    ],
)
def test_the_ending_decides_what_is_written(tiny_run, tmp_path, name, written):
    folder = tmp_path / "new"
    assert export_model(tiny_run, folder / name) == [folder / file for file in written]
    assert {path.name for path in folder.iterdir()} == set(written)


@pytest.mark.parametrize("name", ["page", "page.htm", "model.npz", ".html", "card.html.txt"])
def test_another_ending_is_refused_with_those_that_are_allowed(tiny_run, tmp_path, name):
    with pytest.raises(FilesError) as error:
        export_model(tiny_run, tmp_path / name)
    assert str(error.value) == (
        f"Cannot export to {tmp_path / name}; allowed is a name that ends in .html (the explorer "
        "as a page), .onnx (encoder and decoder) or .md (a model card)."
    )
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("name", "folder"),
    [("page.html", "page.html"), ("model.onnx", "model_decoder.onnx"), ("a.md", "a.md")],
)
def test_a_folder_with_the_name_is_found_before_a_training(tmp_path, name, folder):
    (tmp_path / folder).mkdir()
    with pytest.raises(FilesError, match=f"Cannot write .*{folder}: a folder has its name"):
        check_export(tmp_path / name)


def test_a_folder_that_cannot_be_made_is_found_before_a_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FilesError, match=r"Cannot make the folder .*file: "):
        check_export(tmp_path / "file" / "page.html")


def test_a_missing_package_is_found_before_a_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(FilesError, match=r"onnx is not installed; .*: pip install -e '\.\[onnx\]'"):
        check_export(tmp_path / "model.onnx")
    check_export(tmp_path / "page.html")

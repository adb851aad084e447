"""The reader's program is saved from the cells that ran, and loaded by the next notebook."""

import pytest

import vae_nb


def save(tmp_path, cells, names, **options):
    return vae_nb.save_program("90", cells, names, tmp_path, **options)


def test_the_last_definition_counts(tmp_path):
    cells = ["def f():\n    return 1", "%matplotlib inline", "def f():\n    return 2", "x = f()"]
    path = save(tmp_path, cells, ["f"])
    assert path == tmp_path / "program" / "after_90.py"
    assert vae_nb.load_program("90", tmp_path).f() == 2
    assert "x = f()" not in path.read_text()


def test_a_program_builds_on_an_earlier_one(tmp_path):
    save(tmp_path, ["def f():\n    return g()\n\n\ndef g():\n    return 1"], ["f", "g"])
    vae_nb.save_program("91", ["def g():\n    return 2"], ["g"], tmp_path, builds_on="90")
    assert vae_nb.load_program("91", tmp_path).f() == 2
    assert vae_nb.load_program("90", tmp_path).f() == 1


def test_a_name_that_no_cell_defines_is_named(tmp_path):
    with pytest.raises(vae_nb.FilesError, match="no cell that ran defines g, h"):
        save(tmp_path, ["def f():\n    return 1"], ["f", "g", "h"])


def test_a_program_that_does_not_run_is_an_error_in_one_sentence(tmp_path):
    path = save(tmp_path, ["def f():\n    return 1"], ["f"])
    path.write_text("import no_such_module\n")
    with pytest.raises(vae_nb.FilesError, match=r"after_90.py does not run: ModuleNotFoundError"):
        vae_nb.load_program("90", tmp_path)


def test_without_a_file_the_shipped_program_is_used(tmp_path):
    program = vae_nb.load_program("02", tmp_path)
    assert program.__file__.endswith("after_02.py")
    assert not (tmp_path / "program").exists()

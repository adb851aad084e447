"""The reader's program is saved from the cells that ran, and loaded by the next notebook."""

import linecache

import pytest

import vae_nb


def run_cell(source, names):
    """Run a cell as IPython does, which keeps its source for tracebacks; return what it defines."""
    file = f"<cell {run_cell.count}>"
    run_cell.count += 1
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {}
    exec(compile(source, file, "exec"), namespace)
    return [namespace[name] for name in names]


run_cell.count = 0


def test_a_piece_is_saved_as_it_stands_in_its_cell(tmp_path):
    cell = (
        "x = 1\n\n\nclass A:\n    def f(self):  # why\n        return 2\n\n\ndef g():\n    return 3"
    )
    path = vae_nb.save_program("90", run_cell(cell, ["g", "A"]), tmp_path)
    assert path == tmp_path / "program" / "after_90.py"
    program = vae_nb.load_program("90", tmp_path)
    assert (program.A().f(), program.g()) == (2, 3)
    assert "# why" in path.read_text()
    assert "x = 1" not in path.read_text()


def test_a_program_builds_on_an_earlier_one(tmp_path):
    first = run_cell("def f():\n    return g()\n\n\ndef g():\n    return 1\n", ["f", "g"])
    vae_nb.save_program("90", first, tmp_path)
    again = run_cell("def g():\n    return 2\n", ["g"])
    vae_nb.save_program("91", again, tmp_path, builds_on="90")
    assert vae_nb.load_program("91", tmp_path).f() == 2
    assert vae_nb.load_program("90", tmp_path).f() == 1


def test_a_piece_without_a_source_is_named(tmp_path):
    namespace = {}
    exec("def f():\n    return 1\n\n\nclass Empty:\n    pass\n", namespace)
    for name in ("f", "Empty"):
        with pytest.raises(vae_nb.FilesError, match=f"the source of {name} is not known"):
            vae_nb.save_program("90", [namespace[name]], tmp_path)


def test_a_program_that_does_not_run_is_an_error_in_one_sentence(tmp_path):
    path = vae_nb.save_program("90", run_cell("def f():\n    return 1\n", ["f"]), tmp_path)
    path.write_text("import no_such_module\n")
    with pytest.raises(vae_nb.FilesError, match=r"after_90.py does not run: ModuleNotFoundError"):
        vae_nb.load_program("90", tmp_path)


def test_without_a_file_the_shipped_program_is_used(tmp_path):
    program = vae_nb.load_program("02", tmp_path)
    assert program.__file__.endswith("after_02.py")
    assert not (tmp_path / "program").exists()

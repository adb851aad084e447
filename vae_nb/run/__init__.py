"""Output folders: train a model, save it, load it again, and execute notebooks.

For models read `workspace`, `model_files`, `origin`, `checkpoints` and `trained_run`, for notebooks
`notebook_text`, `notebook_runner` and `series`. `memory` and `progress` are about a training's size
and its bars; `program` keeps the program that the reader writes; `continuing`, `working_copy` and
`export` serve single commands. `export` calls `export_page`, `export_onnx` and `model_card`;
`attribution` names the authors of the drawings. Imports from `show`, `data`, `core` and `system`.
"""

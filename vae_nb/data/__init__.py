"""Configurations and images come in here.

Read `config` (it uses `json_file`, which reads, and `schema`, which checks), then `image_set`
(split, batches, augmentation), then `image_files`, which decodes the files of a folder, and
`image_cache`, which keeps what was decoded. Imports from `core` and `system`.
"""

"""What every room needs from the machine: errors, messages, paths, files, locks,
signals, saved arrays.

Read `errors`, then `files`, then the others in any order. Imports from no other room.
"""

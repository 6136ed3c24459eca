"""Pages that work offline: one file each, data and program inside.

Nothing of the machine they were made on is in them but the names of files relative to the page.
"""

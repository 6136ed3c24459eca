"""Reading and writing of files: the only package that knows file formats."""

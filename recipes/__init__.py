"""What makes the bundled weights, tables and recordings. Run as `python -m recipes.NAME`."""

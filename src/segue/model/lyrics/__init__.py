"""Networks of lyrics: letters to letters."""

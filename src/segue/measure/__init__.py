"""How good a space, a text or a melody is: NumPy alone."""

"""The notes-and-durations LSTM and what it learned of music theory."""

"""Names that `vulture` cannot see used."""

# ruff: noqa: B018, F821

# Called by libraries: typer, the HTTP server, file objects, XML parsers, SQLite, ONNX Runtime.
format_commands
do_GET
log_message
readable
readinto
StartElementHandler
EndElementHandler
CharacterDataHandler
EntityDeclHandler
buffer_text
compress_type
row_factory
intra_op_num_threads

# Module attributes that Python looks up.
__getattr__

# Values of the enumeration of the option --kind.
ARTIST
ALBUM
GENRE

# Fields that are written to JSON through `dataclasses.asdict` or `fields`.
repeated_lines
repeated_runs
rhymed_lines
words_of_line
syllables_of_line
spread_of_syllables
taken_for
real_words
new_runs
copied_words
copied_characters

# Tasks of worker processes, named as "module:function".
compute_image
run_worker
encode_preview

# Used in annotations only.
Packet
Axes
AxesImage
ReadingWatcher

# Fields that tests check.
piece_start
bits_of_blocks

# Part of the file protocol that PyAV calls.
tell

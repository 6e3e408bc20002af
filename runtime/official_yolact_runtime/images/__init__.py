"""Pictures from outside: which formats are read, and the one guarded way to open them."""

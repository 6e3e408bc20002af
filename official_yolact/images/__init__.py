"""Pictures from outside: the folders they lie in, and what a record holds of them."""

"""What is written: whole or not at all, and never over what would be lost; what is read, guarded."""

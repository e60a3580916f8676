"""What type checkers are told, and whether they understand."""

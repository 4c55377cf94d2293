"""What makes the documentation site of docs/: `make docs`. MkDocs calls `hooks.py`."""

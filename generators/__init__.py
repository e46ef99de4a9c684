"""Whatever proposes structures."""

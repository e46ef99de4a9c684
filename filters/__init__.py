"""Whatever scores, rejects or selects structures."""

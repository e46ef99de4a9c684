"""The doors of the record: other packages' objects and files in and out, losing nothing."""

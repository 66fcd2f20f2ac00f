"""Laws that every format and every strategy keeps."""

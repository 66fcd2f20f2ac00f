"""What tests of every kind share; nothing here is a test."""

"""Files in object stores and on web servers: read by ranges, uploaded whole or not at all. The only package that imports obstore."""

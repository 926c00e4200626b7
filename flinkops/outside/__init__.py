"""Text from outside: secrets masked, cut and escaped in one place, and commands quoted for the shell.

Facts, plans and the journal hold what was read, as it was read; every face shows it through this package.
Nothing here does I/O, except for the key of the fingerprints.
"""

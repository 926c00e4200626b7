"""Hypothesis measures nothing here: on a busy machine an example may take long."""

from hypothesis import settings

settings.register_profile("tui", deadline=None)
settings.load_profile("tui")

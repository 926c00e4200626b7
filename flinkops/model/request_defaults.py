"""When a change counts as verified, unless the person says otherwise. No imports: every command line needs it."""

DEFAULT_CHECKPOINTS = 2
DEFAULT_WATCH_SECONDS = 60.0
"""The Flink operator calls a spec stable at the first RUNNING; many a crash loop begins only after that."""

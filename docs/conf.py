"""How Sphinx reads these pages: `./dev docs` builds the site."""

project = "flinkops"
copyright = "the flinkops authors, Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "docs/index"
exclude_patterns = ["docs/evidence"]
myst_heading_anchors = 4
suppress_warnings = [
    "myst.xref_missing",  # folders, and files that are no pages: tests/unit/test_links.py follows every link
    "myst.header",
]
html_theme = "furo"
html_title = "flinkops"
html_show_sourcelink = False
linkcheck_timeout = 20
linkcheck_retries = 2

"""HTML pages that stand alone: nothing is fetched, no text of a Dataset is markup, only the page's own script runs."""

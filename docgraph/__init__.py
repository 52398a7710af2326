"""Documents as nested signals: trees of text and pictures, parsed from pages, sites, plain text and articles."""

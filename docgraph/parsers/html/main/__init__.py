"""Which blocks of a page are its main text: `features` of a block, `forest` that scores it, `choose`, `roles`."""

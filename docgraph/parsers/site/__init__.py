"""Many pages of one site: `read` (folder or pages -> Document), `archives` (zip, WARC), `templates` (what repeats)."""

"""Many pages of one site: `read` (folder or pages -> Document), `archives` (zip, WARC), `templates` (what repeats).

`links` matches hyperlinks with pages; `images` reaches the images of all of them.
"""

"""What a page says of itself: `read` collects and chooses from `linked_data`, `meta` and `shown`;
`dates`, `datelines`, `authors`, `titles`.
"""

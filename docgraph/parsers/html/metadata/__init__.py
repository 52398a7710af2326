"""What a page says of itself: `read` collects it, `linked_data` reads JSON-LD and microdata, `dates` their dates."""

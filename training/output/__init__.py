"""How results are written. No torch.

files        files that are there whole or not at all; folders that one command at a time writes into
markdown     tables           figures   PNG without a display           html_page   a report in one file
provenance   what made a result: command, date, versions, commit, machine
"""

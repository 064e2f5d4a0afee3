"""Everything a process starts from: HTTP, command line, scheduler, migrations. Puts the other packages together."""

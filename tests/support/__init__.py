"""What several test modules use: data, sources, peers, and the programs that tamper with files. Tests import from here only."""

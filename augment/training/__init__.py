"""Training from the command line: what is common to all that ``molaug fit`` trains, and a module for each."""

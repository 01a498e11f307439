"""One module for each group of commands. At import they load nothing slow."""

"""The program of a DevServer: its pod, the volumes of it, what people read in it."""

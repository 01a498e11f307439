"""The program of a DevServer: its pod, the pod's volumes, and the messages that users read in it."""

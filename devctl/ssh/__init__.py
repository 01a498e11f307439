"""The way to a DevServer's sshd, and what the user's ssh is told of it. Of files, it writes those of ssh."""

"""What commands do in several steps, telling the user of each; changes objects by the client, and no files of ssh."""

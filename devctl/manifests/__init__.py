"""What is to be written: manifests and patches, checked by the models. Asks the cluster only who the user is."""

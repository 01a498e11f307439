"""The error of this package."""


class ImageError(Exception):
    """An image cannot be built. The message names the image and the fix."""

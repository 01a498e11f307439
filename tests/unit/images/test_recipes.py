"""An image's recipe is known by its digest."""

from __future__ import annotations

import dataclasses

from images.recipes import IMAGES


def test_the_digest_follows_the_name_and_the_sources() -> None:
    image = IMAGES[0]
    assert image.digest == dataclasses.replace(image).digest
    assert image.digest != dataclasses.replace(image, name="local/pause:2").digest
    assert image.digest != dataclasses.replace(image, sources=()).digest

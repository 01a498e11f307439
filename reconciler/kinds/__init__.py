"""One package per custom resource. May use the loop's interface and the cache; never the engine or the states."""

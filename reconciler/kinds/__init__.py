"""One package per custom resource. Kinds may use the loop's interface and the cache, never the engine or the states."""

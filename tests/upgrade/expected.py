"""What a change does to DevServers of earlier versions on purpose."""

# By recording: the resources (`Kind/namespace/name`) whose programs declare something else now. Each has one run at the
# first start. Pods, host keys, claims and ends stay as they are all the same.
EXPECTED_RUNS: dict[str, frozenset[str]] = {"0375c52": frozenset()}

# By recording: the reasons of conditions whose message is worded otherwise now. All else of them stays as it is.
REWORDED: dict[str, frozenset[str]] = {
    "0375c52": frozenset({"DriftObserved", "HomeCannotExpand", "LongestTimeToLive", "RoleNotAllowed"})
}

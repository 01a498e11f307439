"""Reasons of conditions and Events. docs/troubleshooting.md has a row for each."""

# Ready
READY = "PodReady"  # the pod runs and sshd answers
APPLIED = "Applied"  # all children are in place (flavors and users)
STOPPED = "Stopped"  # spec.running is false
POD_STARTING = "PodStarting"  # the pod is being made or its containers start
POD_REFUSED = "PodRefused"  # the API server refused the pod
POD_ENDING = "PodEnding"  # an earlier pod is on its way out
POD_FAILED = "PodFailed"  # and says no reason of its own, such as Evicted
NODE_NOT_READY = "NodeNotReady"  # the pod's node gives no sign of life
UNSCHEDULABLE = "Unschedulable"  # no node has room; that is progress, not failure
CLAIM_MISSING = "ClaimMissing"  # a claim that the pod mounts is not there, or its volume is not
CLAIM_PENDING = "ClaimPending"  # a claim that the pod mounts has no volume yet
FAILED_MOUNT = "FailedMount"  # also where it cannot be attached
FAILED_SANDBOX = "FailedCreatePodSandBox"  # network or runtime class
IMAGE_PULL = "ImagePullBackOff"  # also while it is tried
CRASH_LOOP = "CrashLoopBackOff"  # also between two crashes
CONTAINER_RESTARTING = "ContainerRestarting"  # it ended once
CONTAINER_WAITING = "ContainerWaiting"  # and kubelet's reason is none

# Waiting for someone else
FLAVOR_NOT_FOUND = "FlavorNotFound"  # spec.flavor names none that exists
NO_DEFAULT_FLAVOR = "NoDefaultFlavor"  # spec.flavor is empty and no flavor is the default
QUOTA_EXCEEDED = "QuotaExceeded"  # a ResourceQuota has no room for a child
NAMESPACE_TERMINATING = "NamespaceTerminating"  # the children's namespace is being deleted
NAME_CONFLICT = "NameConflict"  # an object of a child's name is not ours

# The spec must change
INVALID_SPEC = "InvalidSpec"  # the spec does not fit the models
INVALID_PUBLIC_KEY = "InvalidPublicKey"  # a key looks right but cannot be parsed
INVALID_HOST_KEYS = "InvalidHostKeys"  # the host-key Secret has no usable key
HOME_CANNOT_MOVE = "HomeCannotMove"  # the spec names another storage class than the home that exists has
LONGEST_TIME_TO_LIVE = "LongestTimeToLive"  # the end is nearer than asked for, as the settings bound it
HOME_NOT_BOUND = "HomeNotBound"  # a home to be expanded has no volume yet
HOME_CANNOT_EXPAND = "HomeCannotExpand"  # the home's storage class does not allow expansion
HOME_EXPANDING = "HomeExpanding"  # the storage has yet to do it
FOREIGN_HOME = "ForeignHome"  # spec.volumes names another DevServer's home
USERNAME_TAKEN = "UsernameTaken"  # another DevServerUser has the username
ROLE_NOT_ALLOWED = "RoleNotAllowed"  # an additional role is not on the operator's list
REJECTED = "Rejected"  # the API server refused a child for good

# The operator tries again
RUN_FAILED = "RunFailed"
RUN_TIMEOUT = "RunTimeout"
WEBHOOK_FAILED = "WebhookFailed"  # an admission webhook of the cluster gave no answer
CLUSTER_ERROR = "ClusterError"
STATE_CONFLICT = "StateConflict"  # another process wrote the stack's state
STATE_TOO_LARGE = "StateTooLarge"
STATE_LOCKED = "StateLocked"  # someone else's lock is on the stack in the external backend
BACKEND_FAILED = "BackendFailed"  # the external backend of the states
INTERNAL_ERROR = "InternalError"

# Drifted: what others did to the children stays as it is
DRIFT_OBSERVED = "DriftObserved"  # spec.driftPolicy is Observe
DRIFT_CONTESTED = "DriftContested"  # it was put back again and again, someone else insists on it

# Schedulable, of a flavor
NODES_FIT = "NodesFit"
LOWER_PRIORITY_GIVES_WAY = "LowerPriorityGivesWay"  # placeholders, above all
NODE_POOL_MAY_FIT = "NodePoolMayFit"  # Karpenter may bring a node
NO_NODE_FITS = "NoNodeFits"
UNREADABLE_QUANTITY = "UnreadableQuantity"  # of a node, a pod or a NodePool

# DefaultFlavor, of flavors with spec.default
OLDEST_DEFAULT = "OldestDefault"  # taken by DevServers that name none
OLDER_DEFAULT_EXISTS = "OlderDefaultExists"

# Events only
STATE_MISSING = "StateMissing"  # these five: the stack's state is rebuilt by adoption
STATE_DAMAGED = "StateDamaged"
STATE_FOREIGN = "StateForeign"  # the stored checkpoint is another stack's
STATE_KEYS_LOST = "StateKeysLost"  # it was encrypted with another passphrase
ENGINE_KEYS_REPLACED = "EngineKeysReplaced"  # the passphrase was lost
DRIFT_REPAIRED = "DriftRepaired"
EXPIRED = "Expired"
RESTARTED = "Restarted"

# Other conditions
RESTART_PENDING = "RestartPending"
EXPIRING = "Expiring"
EXPIRY_LIMITED = "ExpiryLimited"
HOME_SMALLER = "HomeSmaller"
DRIFTED = "Drifted"
CLOCK_SKEWED = "ClockSkewed"

"""Reasons of conditions and Events. docs/troubleshooting.md has a row for each."""

# Ready
READY = "PodReady"  # the pod runs and sshd answers
APPLIED = "Applied"  # all children are in place (flavors and users)
STOPPED = "Stopped"  # spec.running is false
POD_STARTING = "PodStarting"  # the pod is being created or its containers start
POD_REFUSED = "PodRefused"  # the API server refused the pod
POD_ENDING = "PodEnding"  # an earlier pod is being deleted
POD_FAILED = "PodFailed"  # the pod failed without a valid reason such as Evicted
NODE_NOT_READY = "NodeNotReady"  # the pod's node does not respond
UNSCHEDULABLE = "Unschedulable"  # no node has room; this counts as progress, not as failure
CLAIM_MISSING = "ClaimMissing"  # a PVC that the pod mounts does not exist, or its volume does not
CLAIM_PENDING = "ClaimPending"  # a PVC that the pod mounts has no volume yet
FAILED_MOUNT = "FailedMount"  # a volume cannot be mounted or attached
FAILED_SANDBOX = "FailedCreatePodSandBox"  # the network or the runtime class failed
IMAGE_PULL = "ImagePullBackOff"  # an image cannot be pulled; also during the next try
CRASH_LOOP = "CrashLoopBackOff"  # a container crashes again and again; also between two crashes
CONTAINER_RESTARTING = "ContainerRestarting"  # a container ended once and starts again
CONTAINER_WAITING = "ContainerWaiting"  # a container waits and the kubelet's reason is not valid

# Waiting for someone else
FLAVOR_NOT_FOUND = "FlavorNotFound"  # the flavor that spec.flavor names does not exist
NO_DEFAULT_FLAVOR = "NoDefaultFlavor"  # spec.flavor is empty and no flavor is the default
QUOTA_EXCEEDED = "QuotaExceeded"  # a ResourceQuota has no room for a child
NAMESPACE_TERMINATING = "NamespaceTerminating"  # the children's namespace is being deleted
NAME_CONFLICT = "NameConflict"  # an object with a child's name is not ours

# The spec must change
INVALID_SPEC = "InvalidSpec"  # the spec does not fit the models
INVALID_PUBLIC_KEY = "InvalidPublicKey"  # a public key has the right form but cannot be parsed
INVALID_HOST_KEYS = "InvalidHostKeys"  # the host-key Secret has no usable key
HOME_CANNOT_MOVE = "HomeCannotMove"  # the spec names another storage class than the existing home has
LONGEST_TIME_TO_LIVE = "LongestTimeToLive"  # the maximum in the settings shortened the time to live
HOME_NOT_BOUND = "HomeNotBound"  # the home must be expanded but has no volume yet
HOME_CANNOT_EXPAND = "HomeCannotExpand"  # the home's storage class does not allow expansion
HOME_EXPANDING = "HomeExpanding"  # the storage system has not expanded the home yet
FOREIGN_HOME = "ForeignHome"  # spec.volumes names another DevServer's home
USERNAME_TAKEN = "UsernameTaken"  # another DevServerUser has the username
ROLE_NOT_ALLOWED = "RoleNotAllowed"  # an additional role is not on the operator's list
REJECTED = "Rejected"  # the API server refused a child for good

# The operator tries again
RUN_FAILED = "RunFailed"
RUN_TIMEOUT = "RunTimeout"
WEBHOOK_FAILED = "WebhookFailed"  # an admission webhook of the cluster did not answer
CLUSTER_ERROR = "ClusterError"
STATE_CONFLICT = "StateConflict"  # another process wrote the stack's state
STATE_TOO_LARGE = "StateTooLarge"
STATE_LOCKED = "StateLocked"  # someone else has locked the stack in the external backend
BACKEND_FAILED = "BackendFailed"  # the external backend failed
INTERNAL_ERROR = "InternalError"

# Drifted: the operator does not repair what others did to the children
DRIFT_OBSERVED = "DriftObserved"  # spec.driftPolicy is Observe
DRIFT_CONTESTED = "DriftContested"  # the same drift came back after every repair; someone else insists on it

# Schedulable, of a flavor
NODES_FIT = "NodesFit"
LOWER_PRIORITY_GIVES_WAY = "LowerPriorityGivesWay"  # mostly placeholders are preempted
NODE_POOL_MAY_FIT = "NodePoolMayFit"  # Karpenter may bring a node
NO_NODE_FITS = "NoNodeFits"
UNREADABLE_QUANTITY = "UnreadableQuantity"  # of a node, a pod or a NodePool

# DefaultFlavor, of flavors with spec.default
OLDEST_DEFAULT = "OldestDefault"  # DevServers that name no flavor get this one
OLDER_DEFAULT_EXISTS = "OlderDefaultExists"

# Events only
STATE_MISSING = "StateMissing"  # for these five, adoption rebuilds the stack's state
STATE_DAMAGED = "StateDamaged"
STATE_FOREIGN = "StateForeign"  # the stored checkpoint is another stack's
STATE_KEYS_LOST = "StateKeysLost"  # the checkpoint was encrypted with another passphrase
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

"""What the engine's report of a failed run means."""

import pytest
from pulumi.automation.events import DiagnosticEvent, EngineEvent

from reconciler.engine.run_report import RunReport
from reconciler.engine.runner import listener
from reconciler.status.errors import EngineFailedError, ReconcileError, StalledError, WaitingError


def diagnostic(message: str, severity: str = "error") -> EngineEvent:
    event = DiagnosticEvent(message=message, color="never", severity=severity)
    return EngineEvent(sequence=1, timestamp=1, diagnostic_event=event)


def reported(*messages: str, output: str = "exit status 255") -> ReconcileError:
    report = RunReport(str)
    for message in messages:
        listener(report)(diagnostic(message))
    return report.error(output)


FOREIGN = (
    "configmaps \"box-sshd\" is forbidden: ValidatingAdmissionPolicy 'devserver-managed-objects' with binding "
    "'devserver-managed-objects' denied request: ConfigMap box-sshd belongs to someone else "
    "(devserver-managed-objects)"
)
IMMUTABLE = 'Service "box" is invalid: spec.clusterIP: Invalid value: "10.96.0.7": field is immutable'
UNSUPPORTED = 'StatefulSet.apps "box" is invalid: spec.x: Unsupported value: "y": supported values: "z"'
FORBIDDEN_UPDATE = (
    'StatefulSet.apps "box" is invalid: spec: Forbidden: updates to statefulset spec for fields other'
)
QUOTA = (
    'services "box" is forbidden: exceeded quota: devserver-quota, requested: services=1, used: services=2'
)
TERMINATING = (
    "services is forbidden: unable to create new content in namespace dev-ada because it is being terminated"
)
WEBHOOK = 'admission webhook "no.example.com" denied the request: not today'
POLICY = "configmaps \"box-sshd\" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'rule' denied request: no"
WEBHOOK_AWAY = (
    'Internal error occurred: failed calling webhook "no.example.com": failed to call webhook: Post '
    '"https://10.99.0.254:9443/?timeout=1s": context deadline exceeded'
)
RIGHTS = 'services is forbidden: User "system:serviceaccount:a:b" cannot create resource "services" in API group ""'
AWAY = "Get https://10.99.0.1:6443/openapi/v2: dial tcp 10.99.0.1:6443: connect: connection refused"


@pytest.mark.parametrize(
    ("message", "type_", "reason"),
    [
        (FOREIGN, StalledError, "NameConflict"),
        (IMMUTABLE, StalledError, "Rejected"),
        (UNSUPPORTED, StalledError, "Rejected"),
        (FORBIDDEN_UPDATE, StalledError, "Rejected"),
        (WEBHOOK, StalledError, "Rejected"),
        (POLICY, StalledError, "Rejected"),
        (WEBHOOK_AWAY, EngineFailedError, "WebhookFailed"),
        (QUOTA, WaitingError, "QuotaExceeded"),
        (TERMINATING, WaitingError, "NamespaceTerminating"),
        (RIGHTS, EngineFailedError, "RunFailed"),
        (AWAY, EngineFailedError, "ClusterError"),
        ("configured Kubernetes cluster is unreachable", EngineFailedError, "ClusterError"),
        ("something else", EngineFailedError, "RunFailed"),
    ],
    ids=[
        "foreign",
        "immutable",
        "unsupported",
        "forbidden update",
        "webhook",
        "policy",
        "webhook away",
        "quota",
        "terminating",
        "rights",
        "away",
        "unreachable",
        "something else",
    ],
)
def test_an_error_says_who_must_act(message: str, type_: type[ReconcileError], reason: str) -> None:
    error = reported(message, "update failed")
    assert type(error) is type_
    assert error.reason == reason
    assert error.message == message


def test_a_foreign_object_goes_before_other_reasons() -> None:
    assert reported(IMMUTABLE, FOREIGN).reason == "NameConflict"


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        (["one", "two", "update failed"], "one; two"),
        (["one", "one"], "one"),
        (["update failed"], "exit status 255"),
        (["preview failed"], "exit status 255"),
        ([], "exit status 255"),
    ],
    ids=["all of them", "each once", "the closing line alone", "of a preview", "none"],
)
def test_the_message_is_what_the_engine_said(messages: list[str], told: str) -> None:
    assert reported(*messages).message == told


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<{%reset%}>text<{%fg 1%}>", "text"),
        ("two\nlines\n", "two lines"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("bell\x07 and\u202e bidi", "bell and bidi"),
        ("  spaces \t everywhere ", "spaces everywhere"),
    ],
)
def test_a_message_is_one_line_without_control_characters(raw: str, plain: str) -> None:
    assert reported(raw).message == plain


def test_secrets_of_the_backend_are_taken_out() -> None:
    report = RunReport(lambda text: text.replace("s3cr3t", "****"))
    listener(report)(diagnostic("cannot save to postgres://s3cr3t@db"))
    assert report.error("").message == "cannot save to postgres://****@db"


def test_a_long_message_is_cut() -> None:
    assert len(reported("x" * 5000).message) < 1100


@pytest.mark.parametrize("severity", ["info", "warning", "debug", "info#err"])
def test_what_is_no_error_is_not_told(severity: str) -> None:
    report = RunReport(str)
    listener(report)(diagnostic("note", severity))
    assert report.error("output").message == "output"


def test_changes_are_those_of_the_summary() -> None:
    report = RunReport(str)
    assert report.changes == {}
    summary = {"maybeCorrupt": False, "durationSeconds": 1, "resourceChanges": {"create": 5, "same": 1}}
    summary["PolicyPacks"] = {}
    listener(report)(EngineEvent.from_json({"sequence": 1, "timestamp": 1, "summaryEvent": summary}))
    assert report.changes == {"create": 5, "same": 1}

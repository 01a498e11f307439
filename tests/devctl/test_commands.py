"""Every command end to end, by a DevServerUser with a token of her own."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.devctl.conftest import IMAGE, NAMESPACE, Person, ended, user
from tests.e2e.kube import Kube, SshKey, eventually
from tests.patience import HUNG_S, PATIENCE_S, generous
from tests.shared_cluster import ROOT, SharedCluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", autouse=True)
def hopeless(alice: Person) -> "Iterator[subprocess.Popen[str]]":
    """Someone waits for a DevServer whose image has no name that could be. It takes a while until a kubelet says so."""
    command = ("create", "typo", "--image", "Local/Debian:1", "--wait", "--timeout", f"{PATIENCE_S:.0f}s")
    with alice.started(*alice.devctl_command(*command)) as waiting:
        yield waiting


def test_a_user_is_added_listed_and_signs_in_with_a_token_that_expires(admin: Person, alice: Person) -> None:
    assert alice.kubeconfig.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(alice.kubeconfig.read_text())
    assert config["contexts"][0]["context"]["namespace"] == NAMESPACE
    assert set(config["users"][0]["user"]) == {"token"}
    assert re.search(rf"^alice +alice +{NAMESPACE} +yes", admin.devctl("user", "list"), re.MULTILINE)
    assert "alice\n" in admin.devctl("user", "list", "-o", "name")


def test_a_removed_user_is_refused(admin: Person, cluster: SharedCluster, tmp_path: Path) -> None:
    users = user("bob", admin, cluster, tmp_path)
    bob = next(users)
    bob.devctl("list")
    asked = admin.terminal(*admin.devctl_command("user", "remove", "bob"))
    asked.expect("The namespace will be deleted, with everything in it")
    asked.sendline("y")
    assert ended(asked) == 0
    eventually(lambda: bob.try_devctl("list").returncode != 0, "bob is refused", generous(15))
    assert not list(users)


def test_create_with_ssh_ends_in_a_session(alice: Person, name: str) -> None:
    session = alice.terminal(*alice.devctl_command("create", name, "--ssh"))
    session.expect(r"[$#] ")
    session.sendline("echo in-$((40 + 2)); exit 3")
    session.expect("in-42")
    assert ended(session) == 3


def test_doctor_finds_all_well_for_a_user_and_for_the_administrator(
    alice: Person, admin: Person, box: str
) -> None:
    for person in (alice, admin):
        found = json.loads(person.devctl("doctor", "-o", "json"))
        about = {check["about"]: check for check in found}
        assert [check for check in found if check["level"] == "bad"] == []
        assert set(about) == {
            "ssh client",
            "your key",
            "cluster",
            "you",
            "CRDs",
            "operator",
            "rights",
            "flavors",
        }
    assert "you cannot read its Lease" in alice.devctl("doctor")
    assert "It renewed its Lease" in admin.devctl("doctor")


def test_a_devserver_is_made_with_all_that_was_asked_for(
    alice: Person, bound: Kube, name: str, tmp_path: Path
) -> None:
    other = SshKey.make(tmp_path)
    done = alice.try_devctl(
        *("create", name, "--image", IMAGE, "--flavor", "tiny", "--ttl", "90m", "--home", "16Mi"),
        *("--volume", "data:/data:ro", "--key", "~/.ssh/id_ed25519.pub", "--key", f"{other.path}.pub"),
    )
    assert (done.returncode, done.stdout) == (0, f"{name}\n")
    spec = (bound.get("dvs", name) or {})["spec"]
    assert spec["owner"] == "alice"
    assert spec["flavor"] == "tiny"
    assert spec["lifecycle"] == {"timeToLive": "90m"}
    assert spec["home"]["size"] == "16Mi"
    assert spec["volumes"] == [{"claimName": "data", "mountPath": "/data", "readOnly": True}]
    assert spec["ssh"]["additionalPublicKeys"] == [other.public]


def test_without_a_word_a_devserver_has_a_name_the_default_flavor_and_the_settings_image(
    alice: Person, bound: Kube
) -> None:
    name = alice.devctl("create").strip()
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d\d", name)
    spec = bound.wait_applied(name)
    assert spec["flavor"] == "tiny"
    assert (bound.get("dvs", name) or {})["spec"]["image"] == IMAGE
    assert alice.devctl("delete", name, "--yes") == ""
    assert bound.get("dvs", name) is None
    # The pod may still be ending.
    assert bound.children(name) <= {f"pod/{name}-0"}


def test_a_dry_run_prints_what_kubectl_would_apply_and_makes_nothing(
    alice: Person, bound: Kube, name: str
) -> None:
    text = alice.devctl("create", name, "--dry-run")
    assert bound.get("dvs", name) is None
    manifest = yaml.safe_load(text)
    assert manifest["metadata"] == {"name": name, "namespace": NAMESPACE}
    bound("apply", "--dry-run=server", "-f", "-", stdin=text)


def test_the_list_has_every_form_and_says_nothing_but_data(alice: Person, box: str) -> None:
    table = alice.devctl("list")
    assert table.splitlines()[0].split() == ["NAME", "FLAVOR", "PHASE", "READY", "EXPIRES", "IN", "AGE"]
    assert re.search(rf"^{box} +tiny +Running +yes +1h\d+m +", table, re.MULTILINE)
    assert IMAGE in alice.devctl("list", "-o", "wide")
    assert box in alice.devctl("list", "-o", "name").splitlines()
    for form, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        items = load(alice.devctl("list", "-o", form))["items"]
        assert box in {item["metadata"]["name"] for item in items}


def test_describe_tells_conditions_children_events_and_the_time_left(alice: Person, box: str) -> None:
    text = alice.devctl("describe", box)
    for part in (
        "Ready",
        "PodReady",
        "Pod ",
        f"{box}-0",
        f"{box}-ssh",
        "Last update",
        "create",
        "of 2h left",
        "SHA256:",
    ):
        assert part in text
    assert json.loads(alice.devctl("describe", box, "-o", "json"))["metadata"]["name"] == box


def test_a_devserver_is_extended_and_the_user_is_told_how_far(alice: Person, bound: Kube, name: str) -> None:
    alice.devctl("create", name, "--ttl", "1h")
    bound.wait_applied(name)
    done = alice.try_devctl("extend", name, "--by", "4h")
    assert done.returncode == 0
    assert re.search(rf"{name} now ends at \S+Z \(in 4h5\dm\)\.", done.stderr)
    done = alice.try_devctl("extend", name, "--by", "400h")
    assert "The operator's maximum limits this: you asked for 16d16h more." in done.stderr


def test_a_devserver_stops_and_starts_and_is_waited_for(alice: Person, bound: Kube, box: str) -> None:
    alice.devctl("stop", box, "--wait")
    assert (bound.get("dvs", box) or {})["spec"]["running"] is False
    alice.devctl("wait", box, "--for", "stopped")
    done = alice.try_devctl("ssh", box, "--", "true")
    assert (done.returncode, "is stopped. Start it with `devctl start box`" in done.stderr) == (8, True)
    assert alice.devctl("ssh", "--start", box, "--", "id -un") == "dev\n"
    alice.devctl("wait", box)
    alice.devctl("start", box, "--wait")


def test_a_command_runs_in_the_container_with_its_streams_and_code(alice: Person, box: str) -> None:
    done = alice.try_devctl(
        "exec", box, "--", "sh", "-c", "cat; echo oops >&2; exit 7", stdin=b"in\x00\xff\n" * 20000
    )
    assert done.returncode == 7
    assert done.stderr == "oops\n"
    assert done.stdout.count("in\x00") == 20000
    weird = "a b $(id) `x` ; | ' \" \\ \n *"
    assert alice.devctl("exec", box, "--", "printf", "%s", weird) == weird
    done = alice.try_devctl("exec", box, "--", "no-such-program")
    assert done.returncode != 0
    assert "no-such-program" in done.stderr


def test_logs_are_printed_inert_and_followed(alice: Person, box: str) -> None:
    assert "Server listening on" in alice.devctl("logs", box)
    assert len(alice.devctl("logs", box, "--tail", "1").splitlines()) == 1
    alice.devctl("exec", box, "--", "sh", "-c", "printf 'evil \\033[31m\\n' > /proc/1/fd/2")
    assert "evil \\x1b[31m" in eventually(lambda: alice.devctl("logs", box, "--tail", "5"), "a log")
    with alice.started(*alice.devctl_command("logs", box, "-f", "--tail", "1")) as follower:
        assert follower.stdout is not None
        follower.stdout.readline()
        alice.devctl("exec", box, "--", "sh", "-c", "echo news > /proc/1/fd/2")
        assert "news\n" in follower.stdout


def test_keys_are_added_listed_and_removed(alice: Person, bound: Kube, name: str, tmp_path: Path) -> None:
    alice.devctl("create", name)
    key = SshKey.make(tmp_path)
    alice.devctl("keys", "add", name, f"{key.path}.pub")
    listed = alice.devctl("keys", "list", name, "-o", "name").splitlines()
    assert len(listed) == 2
    shown = subprocess.run(["ssh-keygen", "-lf", key.path], capture_output=True, text=True, check=True).stdout
    assert listed[1] == shown.split()[1]
    alice.devctl("keys", "remove", name, listed[0])
    assert (bound.get("dvs", name) or {})["spec"]["ssh"]["publicKey"] == key.public
    done = alice.try_devctl("keys", "remove", name, listed[1])
    assert (done.returncode, "No key would be left" in done.stderr) == (2, True)


def test_a_home_outlives_its_devserver_and_is_deleted_by_choice(
    alice: Person, bound: Kube, name: str
) -> None:
    alice.devctl("create", name, "--home", "16Mi")
    bound.wait_applied(name)
    claim = f"{name}-home"
    done = alice.try_devctl("volumes", "delete", claim, "--yes")
    assert (done.returncode, f"{claim} belongs to DevServer {name}" in done.stderr) == (7, True)
    alice.devctl("delete", name, "--yes")
    assert re.search(rf"^{claim} +retained home +{name} +16Mi", alice.devctl("volumes", "list"), re.MULTILINE)
    done = alice.try_devctl("volumes", "delete", claim)
    assert (done.returncode, "Use --yes" in done.stderr) == (2, True)
    alice.devctl("volumes", "delete", claim, "--yes")
    eventually(lambda: bound.get("pvc", claim) is None, "the claim is gone")


def test_an_editor_changes_the_spec_and_is_told_of_faults(
    alice: Person, bound: Kube, name: str, tmp_path: Path
) -> None:
    alice.devctl("create", name)
    editor = tmp_path / "editor"
    # First an image that is none, then, once the file says so, a good one.
    editor.write_text(
        "#!/bin/sh\n"
        'if grep -q "^# .*--image" "$1"; then sed -i "s|image: .*|image: local/busybox:1|" "$1"\n'
        'else sed -i "s|image: .*|image: \'-rm\'|" "$1"; fi\n'
    )
    editor.chmod(0o755)
    editing = Person(alice.home, alice.kubeconfig, {"EDITOR": str(editor)})
    assert f"Changed {name}." in editing.try_devctl("edit", name).stderr
    assert (bound.get("dvs", name) or {})["spec"]["image"] == "local/busybox:1"
    unchanged = Person(alice.home, alice.kubeconfig, {"EDITOR": "true"})
    assert f"{name} is unchanged." in unchanged.try_devctl("edit", name).stderr


@pytest.fixture
def huge(kube: Kube, name: str) -> Iterator[str]:
    """A flavor that no node has room for."""
    flavor = f"huge-{name}"
    spec = {"resources": {"requests": {"cpu": "4000"}}}
    kube.apply(
        {
            "apiVersion": "devserver.io/v1",
            "kind": "DevServerFlavor",
            "metadata": {"name": flavor},
            "spec": spec,
        }
    )
    eventually(
        lambda: (kube.get("dvsf", flavor) or {}).get("status", {}).get("schedulable"), "it was looked at"
    )
    yield flavor
    kube("delete", "dvsf", flavor)


def test_a_flavor_without_room_is_told_of_and_strict_makes_nothing(
    alice: Person, bound: Kube, huge: str, name: str
) -> None:
    listed = alice.try_devctl("flavors")
    assert re.search(rf"^{huge} +- +No +0 +4k? ", listed.stdout.replace("4000", "4k"), re.MULTILINE)
    assert re.search(r"^tiny +yes +Yes +1 +10m ", listed.stdout, re.MULTILINE)
    assert f"{huge}: " in listed.stderr
    for flavor, message in (
        (huge, f"No node has room for flavor {huge} now ("),
        (f"{huge}x", f"There is no flavor {huge}x (did you mean {huge}?)"),
    ):
        done = alice.try_devctl("create", name, "--flavor", flavor, "--strict")
        assert (done.returncode, done.stdout) == (8, "")
        assert message in done.stderr
    assert bound.get("dvs", name) is None
    done = alice.try_devctl("create", name, "--flavor", huge, "--wait", "--timeout", "2s")
    assert done.returncode == 6
    assert "The nearest flavor with room is tiny." in done.stderr
    assert f"{name} is not ready after 2 s" in done.stderr
    eventually(lambda: bound.condition("dvs", name, "Ready").get("reason") == "Unschedulable", "it is told")
    done = alice.try_devctl("wait", name, "--timeout", "1s")
    assert done.returncode == 6
    assert re.search(f"{name} is not ready after 1 s: Unschedulable: .*Insufficient cpu", done.stderr)


def test_the_plugin_of_kubectl_is_the_same_program(alice: Person, box: str, tmp_path: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for program, target in scripts.items():
        module, function = target.split(":")
        # As pip writes it; what is installed may be of another checkout.
        script = f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        (tmp_path / program).write_text(script)
        (tmp_path / program).chmod(0o755)
    with_programs = Person(alice.home, alice.kubeconfig, {"PATH": f"{tmp_path}:{alice.environment['PATH']}"})
    assert box in with_programs.run("devctl", "list").stdout
    assert box in with_programs.run("kubectl", "devserver", "list").stdout
    assert (
        "Usage: kubectl devserver list" in with_programs.run("kubectl", "devserver", "list", "--help").stdout
    )


def test_contexts_and_namespaces_of_the_kubeconfig_are_those_of_kubectl(
    alice: Person, admin: Person, box: str
) -> None:
    assert box in admin.devctl("list", "-n", NAMESPACE)
    assert re.search(rf"^{NAMESPACE} +{box} ", admin.devctl("list", "-A"), re.MULTILINE)
    both = alice.home / "both"
    both.write_text(
        alice.kubeconfig.read_text().replace("alice@devserver", "other").replace("token: ", "token: x")
    )
    merged = Person(alice.home, Path(f"{alice.kubeconfig}:{both}"))
    assert box in merged.devctl("list", "--context", "alice@devserver")
    done = merged.try_devctl("list", "--context", "other")
    assert (done.returncode, "The cluster rejects your credentials" in done.stderr) == (5, True)


def test_names_are_completed_by_the_shell(alice: Person, box: str) -> None:
    words = {"_DEVCTL_COMPLETE": "complete_bash", "COMP_WORDS": "devctl ssh b", "COMP_CWORD": "2"}
    shell = Person(alice.home, alice.kubeconfig, words)
    assert shell.try_devctl().stdout.split() == [box]
    kubectl = "import sys; from devctl.app import complete_for_kubectl; complete_for_kubectl()"
    done = alice.run(alice.devctl_command()[0], "-c", kubectl, "ssh", "b")
    assert done.stdout.split() == [box, ":4"], done.stderr
    broken = Person(alice.home, alice.home / "missing", words)
    done = broken.try_devctl()
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_the_example_of_the_document_works(alice: Person) -> None:
    document = (ROOT / "docs/devctl.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", document, flags=re.DOTALL)
    done = alice.run(alice.devctl_command()[0], "-c", example.replace("debian:bookworm", IMAGE))
    assert (done.returncode, done.stdout) == (0, "Linux x86_64\n"), done.stderr


def test_a_devserver_that_cannot_start_says_why(hopeless: "subprocess.Popen[str]") -> None:
    out, err = hopeless.communicate(timeout=HUNG_S)
    assert (hopeless.returncode, out) == (8, "typo\n")
    assert "typo cannot start: InvalidImageName: " in err
    assert "Local/Debian:1" in err

"""The user's settings: a TOML file in the XDG directory. An unknown key is an error; it names the nearest one."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from crds.devserver import DevServerSpec, Lifecycle
from crds.home import Home
from devctl.errors import Misuse
from devctl.text import nearest

FILE_VARIABLE = "DEVCTL_CONFIG"
OutputFormat = Literal["table", "wide", "json", "yaml", "name"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _like(model: type[BaseModel], field: str) -> AfterValidator:
    """A check by the rules of a field of the API."""
    info: FieldInfo = model.model_fields[field]
    rules: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation

    def check(value: str | None) -> str | None:
        if value is not None:
            try:
                TypeAdapter(rules).validate_python(value)
            except ValidationError as error:
                raise ValueError(_said(error)) from error
        return value

    return AfterValidator(check)


def _size(text: str | None) -> str | None:
    if text is not None:
        try:
            Home(size=text)
        except ValidationError as error:
            raise ValueError(_said(error)) from error
    return text


def _said(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ")


class SshConfig(_Section):
    """How `ssh NAME` works."""

    forward_agent: Annotated[
        bool, Field(description="Let DevServers use the keys of your SSH agent while you are logged in.")
    ] = False
    host_prefix: Annotated[
        str,
        Field(pattern=r"^[a-z0-9.-]*$", max_length=32, description="Prefix of host names: `ssh PREFIXNAME`."),
    ] = ""
    share_connection: Annotated[
        bool, Field(description="Further sessions to a DevServer share the first one's connection.")
    ] = False


class Config(_Section):
    """All settings; each has a default."""

    context: Annotated[str | None, Field(description="Kubeconfig context. Default: the current context.")] = (
        None
    )
    namespace: Annotated[
        str | None, Field(description="Namespace. Default: the namespace of the context.")
    ] = None
    output: Annotated[OutputFormat, Field(description="Output format.")] = "table"
    owner: Annotated[
        str | None,
        _like(DevServerSpec, "owner"),
        Field(description="Owner of new DevServers. Default: your user name in the cluster."),
    ] = None
    image: Annotated[str, _like(DevServerSpec, "image"), Field(description="Image of new DevServers.")] = (
        "debian:bookworm"
    )
    flavor: Annotated[
        str | None,
        _like(DevServerSpec, "flavor"),
        Field(description="Flavor of new DevServers. Default: the cluster's default flavor."),
    ] = None
    time_to_live: Annotated[
        str | None,
        _like(Lifecycle, "time_to_live"),
        Field(description="Time to live of new DevServers. Default: the operator's setting."),
    ] = None
    home: Annotated[
        str | None,
        AfterValidator(_size),
        Field(description="Size of the home volume of new DevServers. Default: no home volume."),
    ] = None
    key: Annotated[
        str | None,
        Field(description="File with your public key. Default: the agent's first key, else ~/.ssh/id_*.pub."),
    ] = None
    ssh: SshConfig = SshConfig()


def path() -> Path:
    """Where the file is: $DEVCTL_CONFIG, else devctl/config.toml below $XDG_CONFIG_HOME (default ~/.config)."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named).expanduser()
    return directory("XDG_CONFIG_HOME", ".config") / "config.toml"


def directory(variable: str, default: str) -> Path:
    """devctl's own directory at an XDG place. The specification has relative paths ignored."""
    base = os.environ.get(variable, "")
    return (Path(base) if base.startswith("/") else Path.home() / default) / "devctl"


def load() -> Config:
    """The settings; the defaults without a file. Raises Misuse, which names every fault of the file."""
    file = path()
    try:
        text = file.read_text()
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"Cannot read {file}: {error}") from error
    return parse(text, str(file))


def parse(text: str, file: str) -> Config:
    """The settings that the text holds. Raises Misuse."""
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Misuse(f"{file} is not valid TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(_fault(item) for item in error.errors())
        raise Misuse(f"{file}: {faults}") from error


def _fault(error: Any) -> str:
    *parents, key = [
        str(part) for part in error["loc"] if not str(part).startswith(("function-", "constrained"))
    ]
    where = ".".join([*parents, key])
    if error["type"] == "extra_forbidden":
        section = SshConfig if parents == ["ssh"] else Config
        return f"unknown setting {where}{nearest(key, section.model_fields)}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def template() -> str:
    """A file with every setting, commented out, at its default."""
    lines = [
        "# Settings of devctl. Each commented line shows the default, or an example where there is no default.",
        "",
    ]
    for name, field in Config.model_fields.items():
        if name != "ssh":
            lines += [*_setting(name, field), ""]
    lines += ["[ssh]"]
    for name, field in SshConfig.model_fields.items():
        lines += _setting(name, field)
    return "\n".join(lines) + "\n"


_EXAMPLES = {
    "context": "work",
    "namespace": "dev-alice",
    "owner": "alice@example.com",
    "flavor": "cpu-small",
    "time_to_live": "8h",
    "home": "10Gi",
    "key": "~/.ssh/id_ed25519.pub",
}


def _setting(name: str, field: FieldInfo) -> list[str]:
    value = _EXAMPLES[name] if field.default is None else field.default
    shown = str(value).lower() if isinstance(value, bool) else f'"{value}"'
    return [f"# {field.description}", f"# {name} = {shown}"]

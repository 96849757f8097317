"""What is in the stand-in: projects, environments, folders, secrets with versions; who may what with them. Pure."""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

HIDDEN = "<hidden-by-infisical>"
_REFERENCE = re.compile(r"\$\{([A-Za-z0-9._-]+)\}")


class Refused(Exception):
    """An answer that is none: status, words, and what kind of error it is."""

    def __init__(self, status: int, message: str, error: str) -> None:
        super().__init__(message)
        self.status, self.error = status, error


def absent(message: str) -> Refused:
    return Refused(404, message, "NotFound")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a role allows or, inverted, forbids, as Infisical's roles say it. Without a rule that allows, all is."""

    actions: tuple[str, ...]  # describeSecret, readValue, create, edit, delete
    folder: str = "/**"
    key: str = "*"
    environment: str = "*"
    subject: str = "secrets"
    inverted: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Rule":
        """A rule as the documentation has it, in JSON."""
        conditions = told.get("conditions", {})
        path = conditions.get("secretPath", {}).get("$glob", "/**")
        return cls(tuple(told["action"]), path, "*", conditions.get("environment", "*"), told["subject"])

    def matches(self, subject: str, action: str, at: tuple[str, str, str]) -> bool:
        environment, folder, key = at
        root = self.folder.removesuffix("/**")
        inside = folder == root or (self.folder.endswith("/**") and f"{folder.rstrip('/')}/".startswith(f"{root}/"))
        named = fnmatchcase(environment, self.environment) and fnmatchcase(key, self.key)
        return subject == self.subject and action in self.actions and inside and named


@dataclass(slots=True)
class Version:
    value: str = field(repr=False)
    tags: tuple[str, ...]
    metadata: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Secret:
    key: str
    versions: list[Version]
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Project:
    """Environments by slug, their folders by path, secrets by key. An import names an environment and a folder."""

    slug: str
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    members: set[str] = field(default_factory=set)  # identities; empty: everybody
    environments: dict[str, dict[str, dict[str, Secret]]] = field(default_factory=lambda: {"prod": {"/": {}}})
    imports: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)  # slug -> id
    approved: bool = False  # whether changes wait for somebody's approval

    def put(self, folder: str, key: str, version: Version, environment: str = "prod") -> Secret:
        """Create a secret, or give it a new version; folders come into being."""
        folders = self.environments.setdefault(environment, {"/": {}})
        for path in above(folder):
            folders.setdefault(path, {})
        for slug in version.tags:
            self.tags.setdefault(slug, str(uuid.uuid4()))
        held = folders[folder].setdefault(key, Secret(key, []))
        held.versions.append(version)
        return held

    def folder(self, environment: str, path: str) -> dict[str, Secret]:
        found = self.environments.get(environment, {}).get(path)
        if found is None:
            raise absent(f"Folder with path '{path}' in environment with slug '{environment}' not found")
        return found

    def below(self, environment: str, path: str) -> Iterator[str]:
        root = path.rstrip("/") + "/"
        yield from (each for each in self.environments.get(environment, {}) if each == path or each.startswith(root))


def above(folder: str) -> Iterator[str]:
    """All folders from the root down to this one."""
    yield "/"
    parts = [part for part in folder.split("/") if part]
    yield from ("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))


@dataclass(slots=True)
class View:
    """A project as somebody sees it."""

    project: Project
    rules: list[Rule]
    hides: bool  # how a value that may not be seen is told in a list: hidden, or by refusing the list

    def may(self, action: str, environment: str, folder: str, key: str, subject: str = "secrets") -> bool:
        at = (environment, folder, key)
        matching = [each for each in self.rules if each.matches(subject, action, at)]
        allowed = matching if any(not each.inverted for each in self.rules) else True
        return bool(allowed) and not any(each.inverted for each in matching)

    def may_somewhere(self, action: str) -> bool:
        allowing = [each for each in self.rules if not each.inverted]
        return not allowing or any(action in each.actions for each in allowing)

    def demand(self, action: str, environment: str, folder: str, key: str, subject: str = "secrets") -> None:
        if not self.may(action, environment, folder, key, subject):
            raise Refused(403, f"You are not allowed to {action} on {subject}", "PermissionDenied")

    def list(self, environment: str, folder: str, flags: Mapping[str, bool]) -> dict[str, Any]:
        """The answer to a list. What is not there is listed as if it were empty."""
        if folder not in self.project.environments.get(environment, {}):
            return {"secrets": [], "imports": []}
        folders = [*self.project.below(environment, folder)] if flags["recursive"] else [folder]
        secrets = [each for path in folders for each in self._of_folder(environment, path, folder, flags)]
        imports = []
        for path in folders if flags["include_imports"] else ():
            for env, at in self.project.imports.get((environment, path), ()):
                told = [each for each in self._of_folder(env, at, "", flags) if not each["secretValueHidden"]]
                imports.append({"environment": env, "secretPath": at, "folderId": "f", "secrets": told})
        return {"secrets": secrets, "imports": imports}

    def _of_folder(
        self, environment: str, path: str, asked: str, flags: Mapping[str, bool]
    ) -> Iterator[dict[str, Any]]:
        for key, secret in sorted(self.project.folder(environment, path).items()):
            if not self.may("describeSecret", environment, path, key):
                continue
            if flags["viewSecretValue"] and not self.may("readValue", environment, path, key):
                if path != asked:
                    continue  # in folders below, Infisical leaves it out
                if not self.hides:
                    self.demand("readValue", environment, path, key)
            yield self.told(environment, path, secret, flags)

    def told(
        self, environment: str, path: str, secret: Secret, flags: Mapping[str, bool], number: int = 0
    ) -> dict[str, Any]:
        """One secret, as an answer has it."""
        number = number or len(secret.versions)
        version = secret.versions[number - 1]
        shown = flags["viewSecretValue"] and self.may("readValue", environment, path, secret.key)
        value = self.expanded(environment, path, version.value) if flags["expandSecretReferences"] else version.value
        return {
            "id": secret.identity,
            "_id": secret.identity,
            "workspace": self.project.identity,
            "environment": environment,
            "version": number,
            "type": "shared",
            "secretKey": secret.key,
            "secretValue": value if shown else HIDDEN,
            "secretValueHidden": not shown,
            "secretComment": "",
            "secretPath": path,
            "tags": [{"id": self.project.tags[slug], "slug": slug, "name": slug} for slug in version.tags],
            "secretMetadata": [dict(each) for each in version.metadata],
        }

    def expanded(self, environment: str, path: str, value: str, depth: int = 0) -> str:
        """A value with what it refers to in place: ${KEY}, or ${environment.folder.KEY}."""

        def put_in(match: re.Match[str]) -> str:
            *where, key = match[1].split(".")
            env, at = (where[0], "/" + "/".join(where[1:])) if where else (environment, path)
            if not self.may("readValue", env, at, key):
                raise Refused(403, "Failed to expand one or more secret references", "ForbiddenRequestError")
            found = self.project.environments.get(env, {}).get(at, {}).get(key)
            return self.expanded(env, at, found.versions[-1].value, depth + 1) if found and depth < 10 else ""

        return _REFERENCE.sub(put_in, value)

    def one(self, environment: str, folder: str, key: str, flags: Mapping[str, bool], version: int) -> dict[str, Any]:
        """The answer to a read. A version that is not there is looked for in what is imported, at any version."""
        secret = self.project.folder(environment, folder).get(key)
        self.demand("describeSecret", environment, folder, key)
        if secret and version <= len(secret.versions):
            if flags["viewSecretValue"]:
                self.demand("readValue", environment, folder, key)
            return self.told(environment, folder, secret, flags, version)
        for env, at in reversed(self.project.imports.get((environment, folder), [])):
            if flags["include_imports"] and (found := self.project.folder(env, at).get(key)):
                return self.told(env, at, found, flags)
        raise absent(f"Secret with name '{key}' not found")

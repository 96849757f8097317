"""Roles: STS exchanges a token, or the keys of another login, for the keys of a session."""

import functools
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyferry.api.providers.aws import AwsAssumeRole, AwsWebIdentity
from keyferry.backends.aws import sdk
from keyferry.backends.aws.errors import About, LoginRefused
from keyferry.backends.aws.keys import Keys, Wallet
from keyferry.backends.base import Context
from keyferry.backends.calling import Caller

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef, CredentialsTypeDef

Ask = Callable[["STSClient"], "CredentialsTypeDef"]


@dataclass(frozen=True, slots=True)
class Sts:
    """Exchanges what one has for the keys of a role. A client for each exchange: they are an hour apart."""

    caller: Caller
    clients: sdk.Clients

    async def exchange(self, about: About, keys: Callable[[], Keys] | None, ask: Ask) -> Keys:
        return await self.caller.call(about.operation, functools.partial(self._exchange, about, keys, ask))

    def _exchange(self, about: About, keys: Callable[[], Keys] | None, ask: Ask) -> Keys:
        with closing(self.clients.sts(keys)) as client, sdk.mapped(about.at(sdk.host(client)), self.clients.route):
            got = ask(client)
            return Keys.lasting_until(
                got["Expiration"].timestamp(),
                time.time(),
                id=got["AccessKeyId"],
                secret=got["SecretAccessKey"],
                token=got["SessionToken"],
            )


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """A ServiceAccount's token, exchanged at STS for a role."""

    spec: AwsWebIdentity
    context: Context
    sts: Sts
    renewable = True

    @property
    def name(self) -> str:
        namespace = self.spec.service_account_ref.namespace or self.context.store.namespace
        return f"the token of ServiceAccount {namespace}/{self.spec.service_account_ref.name}"

    async def keys(self, *, anew: bool = False) -> Keys:  # noqa: ARG002 - every login is a new one
        token = await self.context.cluster.token(self.spec.service_account_ref, self.spec.audience)
        return await self.sts.exchange(
            About("sts", "AssumeRoleWithWebIdentity", self.name, self.spec.role_arn),
            None,
            lambda client: client.assume_role_with_web_identity(
                RoleArn=self.spec.role_arn, RoleSessionName="keyferry", WebIdentityToken=token.text
            )["Credentials"],
        )


@dataclass(frozen=True, slots=True)
class AssumedRole:
    """A role, assumed with another login."""

    spec: AwsAssumeRole
    base: Wallet
    sts: Sts
    renewable = True

    @property
    def name(self) -> str:
        return f"role {self.spec.role_arn}, assumed with {self.base.login.name}"

    async def keys(self, *, anew: bool = False) -> Keys:  # noqa: ARG002 - every login is a new one
        await self.base.fresh()
        spent = self.base.current
        try:
            return await self._assume()
        except LoginRefused:
            if not self.base.login.renewable:
                raise
        await self.base.renew(spent)
        return await self._assume()

    async def _assume(self) -> Keys:
        return await self.sts.exchange(
            About("sts", "AssumeRole", self.base.login.name, self.spec.role_arn),
            lambda: self.base.current,
            self._ask,
        )

    def _ask(self, client: "STSClient") -> "CredentialsTypeDef":
        request: AssumeRoleRequestTypeDef = {
            "RoleArn": self.spec.role_arn,
            "RoleSessionName": self.spec.session_name,
        }
        if self.spec.external_id:
            request["ExternalId"] = self.spec.external_id
        if self.spec.session_tags:
            request["Tags"] = [{"Key": tag.key, "Value": tag.value} for tag in self.spec.session_tags]
        return client.assume_role(**request)["Credentials"]

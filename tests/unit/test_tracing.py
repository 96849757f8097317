"""Traces tell what was done for whom and how it ended, and nothing that an exception's text may hold."""

import asyncio
import logging
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from keyferry import tracing
from keyferry.errors import AuthFailed, SpecInvalid
from keyferry.tracing.otel import OtelSpan, _Told

CANARY = "canary-7f31"


@pytest.fixture
def heard(monkeypatch):
    """The spans that ended, with traces on."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    monkeypatch.setattr(tracing._State, "made", lambda name, attributes: OtelSpan(tracer, name, attributes))
    yield exporter.get_finished_spans
    provider.shutdown()


def test_a_span_tells_what_it_was_for_and_that_it_went_well(heard):
    with tracing.span("sweep", store="ClusterSecretStore aws", namespace="team") as span:
        span.says(offered=3, code=200)
    (one,) = heard()
    assert (one.name, one.status.status_code, one.parent) == ("sweep", StatusCode.UNSET, None)
    assert one.attributes == {
        "keyferry.store": "ClusterSecretStore aws",
        "k8s.namespace.name": "team",
        "keyferry.offered": 3,
        "http.response.status_code": 200,
        "keyferry.outcome": "ok",
    }


@pytest.mark.parametrize(
    ("error", "reason"), [(AuthFailed(CANARY), "AuthFailed"), (ValueError(CANARY), "ValueError")], ids=["ours", "a bug"]
)
def test_of_an_exception_only_the_reason_is_told(heard, error, reason):
    with pytest.raises(type(error)), tracing.span("outer"), tracing.span("GetSecretValue"):
        raise error
    for one in heard():
        assert one.status.status_code is StatusCode.ERROR
        assert one.attributes["keyferry.outcome"] == reason
        assert CANARY not in one.to_json()
        assert one.events == ()


def test_to_be_cancelled_is_no_failure(heard):
    with pytest.raises(asyncio.CancelledError), tracing.span("sweep"):
        raise asyncio.CancelledError
    (one,) = heard()
    assert (one.status.status_code, one.attributes["keyferry.outcome"]) == (StatusCode.UNSET, "cancelled")


async def test_what_is_done_meanwhile_is_a_part_of_it_in_tasks_as_well(heard):
    async def call():
        with tracing.span("ListSecrets"):
            await asyncio.sleep(0)

    with tracing.span("ExternalSecret"):
        await asyncio.create_task(call())
    inner, outer = heard()
    assert inner.parent.span_id == outer.context.span_id


def test_while_traces_are_off_one_span_serves_all():
    with tracing.span("a", namespace="b") as first, tracing.span("c") as second:
        first.says(offered=1)
        second.failed("AuthFailed")
    assert first is second


def test_an_operator_without_the_extra_says_which(monkeypatch):
    monkeypatch.delitem(sys.modules, "keyferry.tracing.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(SpecInvalid, match=r"lacks opentelemetry.sdk.resources; install keyferry\[otel\]"):
        tracing.start("http://127.0.0.1:1", "me", 1.0)


class Receiver(SpanExporter):
    def __init__(self, *answers):
        self.answers = list(answers)

    def export(self, spans):
        assert spans == ()
        return self.answers.pop(0)


def test_that_traces_do_not_arrive_is_told_once_and_that_they_do_again(caplog):
    caplog.set_level(logging.INFO)
    good, bad = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    told = _Told(Receiver(good, bad, bad, bad, good, good), "http://collector:4318/v1/traces")
    for _ in range(6):
        told.export(())
    assert [record.getMessage() for record in caplog.records] == [
        "traces do not arrive and are dropped at http://collector:4318/v1/traces",
        "traces arrive again at http://collector:4318/v1/traces",
    ]

"""What the chart gives to the Prometheus operator and to Grafana's sidecar, when it is asked to."""

import json

import pytest

from tests.controlplane import binaries, render_chart
from tests.controlplane.chart import HelmFailed, of_kind
from tests.monitoring.expressions import DASHBOARD, asked
from tests.monitoring.rules import rules, run

ALL_BUT_SERVICE = {
    "podMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "stack"}},
    "alerts": {"enabled": True, "labels": {"release": "stack"}},
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Platform"}},
}
KINDS = ("PodMonitor", "ServiceMonitor", "PrometheusRule")


def chart(**values):
    return render_chart(binaries.find(), values)


def only(manifests, kind):
    (found,) = of_kind(manifests, kind)
    return found


def test_by_default_it_renders_no_kind_that_may_not_be_there():
    assert [manifest["kind"] for manifest in chart() if manifest["kind"] in {*KINDS, "ConfigMap"}] == []


def test_a_pod_monitor_selects_the_pods_and_the_port_of_the_metrics():
    manifests = chart(monitoring=ALL_BUT_SERVICE)
    monitor, pod = only(manifests, "PodMonitor"), only(manifests, "Deployment")["spec"]["template"]

    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (container,) = pod["spec"]["containers"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert endpoint == {"port": "http", "path": "/metrics", "interval": "15s"}
    assert endpoint["port"] in [port["name"] for port in container["ports"]]
    assert monitor["metadata"]["labels"]["release"] == "stack"


def test_a_service_monitor_selects_the_service_of_the_metrics_and_no_other_port():
    manifests = chart(monitoring={"serviceMonitor": {"enabled": True}}, webhook={"enabled": True})
    selector = only(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    (endpoint,) = only(manifests, "ServiceMonitor")["spec"]["endpoints"]

    services = [each for each in of_kind(manifests, "Service") if selector <= each["metadata"]["labels"].items()]
    named = [port["name"] for service in services for port in service["spec"]["ports"]]
    assert named.count(endpoint["port"]) == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"monitoring": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
            "would have every pod scraped twice",
        ),
        (
            {"monitoring": {"serviceMonitor": {"enabled": True}}, "service": {"enabled": False}},
            "set service.enabled, or use monitoring.podMonitor",
        ),
        ({"monitoring": {"alert": {"enabled": True}}}, "additional properties 'alert' not allowed"),
        ({"monitoring": {"podMonitor": {"interval": "often"}}}, "at '/monitoring/podMonitor/interval'"),
    ],
    ids=["scraped twice", "no Service", "misspelt", "no duration"],
)
def test_values_that_make_no_sense_are_refused(values, told):
    with pytest.raises(HelmFailed) as refused:
        chart(**values)

    assert told in str(refused.value)


def test_its_alerts_are_those_of_the_file():
    made = only(chart(monitoring=ALL_BUT_SERVICE), "PrometheusRule")

    assert [rule for group in made["spec"]["groups"] for rule in group["rules"]] == rules()


def test_its_alerts_name_the_pages_where_they_are_to_be_read():
    alerts = {"enabled": True, "runbooks": "https://wiki.example.com/keyferry/"}
    made = only(chart(monitoring={"alerts": alerts}), "PrometheusRule")

    pages = [rule["annotations"]["runbook_url"] for group in made["spec"]["groups"] for rule in group["rules"]]
    assert pages == [f"https://wiki.example.com/keyferry/{rule['alert']}.md" for rule in rules()]


def test_its_dashboard_is_the_files_and_has_the_sidecars_label():
    made = only(chart(monitoring=ALL_BUT_SERVICE), "ConfigMap")

    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "Platform"}
    assert json.loads(made["data"]["keyferry.json"]) == json.loads(DASHBOARD.read_text())


def test_promtool_can_parse_every_query_of_the_dashboard(tmp_path):
    recorded = [{"record": f"query:{number}", "expr": expression} for number, (_, expression) in enumerate(asked())]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "queries", "rules": recorded}]}))

    done = run("check", "rules", tmp_path / "rules.json")

    assert f"{len(recorded)} rules found" in done.stdout, done.stderr

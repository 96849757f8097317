import pytest

from tests.controlplane.container import CannotRun, Pod, container_of, expanded

POD = Pod(namespace="keyferry-system", name="keyferry-abcde", service_account="keyferry")


def deployment(**container):
    probe = {"readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}}}
    ports = {"ports": [{"name": "http", "containerPort": 8080}]}
    volumes = [
        {"name": "data", "emptyDir": {}},
        {"name": "claimed", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "settings", "configMap": {"name": "c"}},
    ]
    merged = {"command": ["keyferry"], **probe, **ports, **container}
    return {"spec": {"template": {"spec": {"containers": [merged], "volumes": volumes}}}}


def resolved(**container):
    return container_of(deployment(**container), POD, lambda kind, name, key: f"{kind}/{name}/{key}")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("--name=$(NAME)", "--name=a"),
        ("$(NAME)$(NAME)", "aa"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(NAME)", "$(NAME)"),
        ("$NAME ${NAME}", "$NAME ${NAME}"),
    ],
)
def test_variables_are_replaced_as_kubernetes_does(text, result):
    assert expanded(text, {"NAME": "a"}) == result


def test_the_command_is_the_containers_with_its_arguments():
    got = resolved(args=["run", "--as=$(WHO)"], env=[{"name": "WHO", "value": "me"}])

    assert got.command == ("keyferry", "run", "--as=me")


def test_the_environment_comes_from_values_from_the_pod_and_from_objects():
    def named(name, source):
        return {"name": name, "valueFrom": source}

    got = resolved(
        env=[
            {"name": "PLAIN", "value": "x"},
            {"name": "LATER", "value": "$(PLAIN)y"},
            named("POD", {"fieldRef": {"fieldPath": "metadata.name"}}),
            named("SECRET", {"secretKeyRef": {"name": "s", "key": "k"}}),
            named("CONFIG", {"configMapKeyRef": {"name": "c", "key": "k"}}),
        ]
    )

    assert got.environment == {
        "PLAIN": "x",
        "LATER": "xy",
        "POD": "keyferry-abcde",
        "SECRET": "Secret/s/k",
        "CONFIG": "ConfigMap/c/k",
    }


def test_the_readiness_probes_port_may_be_a_name_or_a_number():
    assert resolved().readiness_port == 8080
    assert resolved(readinessProbe={"httpGet": {"path": "/", "port": 9}}).readiness_port == 9


def test_writable_volumes_are_folders():
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "claimed", "mountPath": "/claimed"}]

    assert resolved(volumeMounts=mounts).folders == ("/data", "/claimed")


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({"command": []}, "names no command"),
        ({"volumeMounts": [{"name": "settings", "mountPath": "/etc/x"}]}, "settings at /etc/x is neither emptyDir"),
        ({"env": [{"name": "CPU", "valueFrom": {"resourceFieldRef": {}}}]}, "CPU: a value from resourceFieldRef"),
        ({"env": [{"name": "UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}]}, "fieldRef metadata.uid"),
    ],
    ids=lambda row: next(iter(row)) if isinstance(row, dict) else "",
)
def test_what_a_process_cannot_be_given_is_an_error(container, told):
    with pytest.raises(CannotRun, match=told):
        resolved(**container)

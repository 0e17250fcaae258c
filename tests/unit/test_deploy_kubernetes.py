"""deploy/kubernetes is what Kubernetes takes, and says the same as the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from support.commands import ROOT, parse
from support.deployment import COMPOSE_TEXT, SERVICES
from support.kubernetes import FOLDER, KUSTOMIZATIONS, RESOURCES, containers, of_kind, pods

from ruie.settings import Settings

OURS = {
    f"{pod}/{container['name']}": container
    for pod, spec in pods().items()
    for container in containers(spec)
    if container["image"] == "ruie"
}
HEALTH = "/health"
OF_OTHERS = {"keda.sh/v1alpha1"}
"""What the cluster itself does not know."""


@pytest.mark.parametrize("version", ["1.30", "1.36"])
@pytest.mark.parametrize(
    "made", [made for _, made in RESOURCES if made["apiVersion"] not in OF_OTHERS],
    ids=lambda made: f"{made['kind']}-{made['metadata']['name']}",
)  # fmt: skip
def test_an_object_is_what_the_cluster_takes(made: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(made, version, strict=True)


def test_a_field_that_does_not_exist_is_noticed() -> None:
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "nmae": "n"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(made, "1.36", strict=True)


def test_what_a_kustomization_names_is_there_and_every_file_is_named() -> None:
    assert {path.name for path in KUSTOMIZATIONS} >= {"base", "keda", "postgres", "web", "example"}
    for folder, told in KUSTOMIZATIONS.items():
        for name in told.get("resources", []) + told.get("components", []):
            place = (folder / name).resolve()
            assert place.is_file() or place in KUSTOMIZATIONS, f"{folder.name}: {name}"
        named = {folder / name for name in told.get("resources", [])}
        lying = {path for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"}
        assert lying <= named, f"{folder.name} names all its files"
        for patch in told.get("patches", []):
            target = patch["target"]
            assert target["name"] in of_kind(target["kind"])
            yaml.safe_load(patch["patch"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_container_runs_a_command_that_ruie_has(name: str) -> None:
    assert "command" not in OURS[name], "the image's entry point is ruie"
    parse(OURS[name]["args"])


def literals() -> dict[str, str]:
    """Every setting that a kustomization gives."""
    lines = [
        line
        for told in KUSTOMIZATIONS.values()
        for made in told.get("configMapGenerator", [])
        for line in made["literals"]
    ]
    return dict(line.split("=", 1) for line in lines)


def test_every_variable_is_a_setting_and_every_file_is_a_secret_that_is_mounted() -> None:
    known = {f"RUIE_{name.upper()}" for name in Settings.model_fields}
    given = literals()
    assert set(given) <= known
    used = {
        variable
        for path in FOLDER.rglob("*.yaml")
        for variable in re.findall(r"RUIE_[A-Z0-9_]*[A-Z0-9]", path.read_text(encoding="utf-8"))
    }
    assert used <= known
    files = {value for name, value in given.items() if name.endswith("_FILE")}
    for pod, spec in pods().items():
        if pod not in {name.partition("/")[0] for name in OURS}:
            continue
        (volume,) = (volume for volume in spec["volumes"] if "secret" in volume)
        mounted = {f"/run/secrets/ruie/{item['path']}" for item in volume["secret"]["items"]}
        own = {one["value"] for one in spec["containers"][0].get("env", [])}
        assert mounted == files | own, pod
        for container in containers(spec):
            mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert "/run/secrets/ruie" in mounts
            assert str(Path(given["RUIE_HOME"]).parent) in mounts
            assert container["envFrom"] == [{"configMapRef": {"name": "ruie-settings"}}]


def test_every_secret_is_one_that_the_script_makes(tmp_path: Path) -> None:
    script = shutil.copy(ROOT / "deploy/make-secrets.sh", tmp_path)
    subprocess.run([script, "sk-operator"], check=True)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    (generator,) = KUSTOMIZATIONS[FOLDER / "overlays/example"]["secretGenerator"]
    assert {Path(file).name for file in generator["files"]} == made
    read = {
        item["key"]
        for spec in pods().values()
        for volume in spec["volumes"]
        for item in volume.get("secret", {}).get("items", [])
    }
    assert read == made
    for name, service in (("redis_url", "redis"), ("database_url", "postgres")):
        url = urlsplit((tmp_path / "secrets" / name).read_text(encoding="utf-8").strip())
        (port,) = of_kind("Service")[service]["spec"]["ports"]
        assert (url.hostname, url.port) == (service, port["port"])


@pytest.mark.parametrize("name", sorted(pods()))
def test_a_pod_can_do_no_more_than_it_has_to(name: str) -> None:
    spec = pods()[name]
    context = spec["securityContext"]
    assert spec["automountServiceAccountToken"] is False
    assert (context["runAsNonRoot"], context["seccompProfile"]["type"]) == (True, "RuntimeDefault")
    assert context["runAsUser"] > 0
    for container in containers(spec):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert container["resources"]["limits"]["memory"]


def test_our_pods_run_as_the_user_of_the_image() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    for name in {name.partition("/")[0] for name in OURS}:
        context = pods()[name]["securityContext"]
        assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user


def test_a_stopped_worker_has_time_for_its_calls_and_is_stopped_before_its_leases_end() -> None:
    grace = pods()["worker"]["terminationGracePeriodSeconds"]
    defaults = Settings.model_fields
    assert defaults["stop_grace_s"].default < grace < defaults["lease_s"].default


def test_several_processes_fit_into_the_memory_of_a_worker() -> None:
    (worker,) = pods()["worker"]["containers"]
    limit = int(worker["resources"]["limits"]["memory"].removesuffix("Gi"))
    assert int(literals()["RUIE_CONCURRENCY"]) * 2 <= limit


def test_an_answer_of_so_many_processes_is_one_worker() -> None:
    (trigger,) = of_kind("ScaledObject")["worker"]["spec"]["triggers"]
    assert trigger["metadata"]["targetQueryValue"] == literals()["RUIE_CONCURRENCY"]
    (authentication,) = of_kind("TriggerAuthentication")["worker"]["spec"]["secretTargetRef"]
    assert authentication["key"] == "query_database_url", "the login that may only read"


def test_a_coordinator_is_probed_by_its_progress_and_scraped_where_it_listens() -> None:
    (coordinator,) = pods()["coordinator"]["containers"]
    given = literals()
    (port,) = coordinator["ports"]
    assert str(port["containerPort"]) == given["RUIE_METRICS_PORT"]
    assert given["RUIE_METRICS_ADDRESS"] == "0.0.0.0"
    probe = coordinator["livenessProbe"]["httpGet"]
    assert probe == {"path": HEALTH, "port": port["name"]}
    made = of_kind("Deployment")["coordinator"]["spec"]["template"]["metadata"]["annotations"]
    assert made["prometheus.io/port"] == given["RUIE_METRICS_PORT"]
    (rule,) = of_kind("NetworkPolicy")["metrics"]["spec"]["ingress"]
    assert [one["port"] for one in rule["ports"]] == [port["containerPort"]]


def test_servers_are_those_of_the_composition() -> None:
    for name in ("redis", "postgres"):
        (server,) = pods()[name]["containers"]
        assert server["image"] == SERVICES[name]["image"]
        assert str(server["ports"][0]["containerPort"]) == SERVICES[name]["expose"][0]
    script = pods()["redis"]["containers"][0]["command"][-1]
    rules = re.findall(r"~\* &\* .*", script)
    assert rules == re.findall(r"~\* &\* .*", COMPOSE_TEXT)
    owner = of_kind("ConfigMap")["postgres-owner"]["data"]["owner.sh"]
    assert re.findall(r"^(?:CREATE|ALTER) .*$", owner, re.MULTILINE) == re.findall(
        r"^ *((?:CREATE|ALTER) .*)$", COMPOSE_TEXT, re.MULTILINE
    )


def test_a_disruption_leaves_something_and_never_blocks_for_ever() -> None:
    budgets = of_kind("PodDisruptionBudget")
    replicas = {n: d["spec"]["replicas"] for n, d in of_kind("Deployment").items()}
    assert set(budgets) == {"coordinator", "worker"}
    assert budgets["coordinator"]["spec"]["minAvailable"] < replicas["coordinator"]
    assert budgets["worker"]["spec"]["maxUnavailable"] == "25%"


def test_nothing_reaches_a_pod_but_by_a_policy_that_names_it() -> None:
    policies = of_kind("NetworkPolicy")
    closed = policies["nothing-else"]["spec"]
    assert (closed["podSelector"], set(closed["policyTypes"])) == ({}, {"Ingress", "Egress"})
    for name in ("redis", "postgres", "web"):
        (rule,) = policies[name]["spec"]["ingress"]
        (port,) = of_kind("Service")[name]["spec"]["ports"]
        assert [one["port"] for one in rule["ports"]] == [port["port"]]
    outside = [
        block["ipBlock"]
        for rule in policies["fleet"]["spec"]["egress"]
        for block in rule["to"]
        if "ipBlock" in block
    ]
    assert all(block["except"] for block in outside)

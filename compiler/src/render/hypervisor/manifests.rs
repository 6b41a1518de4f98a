//! The platform as containers, for Compose and Kubernetes. Both read JSON, whose quoting leaves nothing open.
//!
//! Source: the Compose specification; Kubernetes API reference, `v1` and `apps/v1`.

use std::collections::BTreeMap;

use blueprint::{Blueprint, Bundle, Node};
use serde_json::{Value, json};

/// Where a container finds its node's tree, which its first process lays over its root.
const CONFIG: &str = "/run/mailwright/config.tar";

/// Returns the image of a release.
fn image(blueprint: &Blueprint) -> String {
    let tag: String = blueprint
        .release
        .name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || character == '.' { character } else { '-' })
        .collect();
    format!("mailwright/{}:{}", blueprint.platform, tag.trim_start_matches(['.', '-']))
}

/// Returns the Compose file.
pub(super) fn compose(blueprint: &Blueprint) -> String {
    let mut services = BTreeMap::new();
    let mut volumes = BTreeMap::new();
    let families = |networks: Vec<values::Network>| {
        let configuration: Vec<Value> =
            networks.iter().map(|network| json!({ "subnet": network.to_string() })).collect();
        json!({
            "enable_ipv6": networks.iter().any(|network| !network.is_ipv4()),
            "ipam": { "config": configuration },
        })
    };
    let sites = || blueprint.sites.iter();
    // Nothing leaves the inner network by itself.
    let mut inner = families(sites().flat_map(|site| site.networks.clone()).collect());
    set(&mut inner, "internal", true);
    let front = families(sites().flat_map(|site| site.fronts.clone()).collect());
    for node in &blueprint.nodes {
        let address = |addresses: &[std::net::IpAddr]| {
            let mut value = json!({});
            for (name, family) in [("ipv4_address", true), ("ipv6_address", false)] {
                if let Some(address) = addresses.iter().find(|address| address.is_ipv4() == family) {
                    set(&mut value, name, address.to_string());
                }
            }
            value
        };
        let mut inner = address(&node.addresses);
        set(&mut inner, "aliases", json!([node.hostname]));
        let mut networks = json!({ "inner": inner });
        if !node.front_addresses.is_empty() {
            set(&mut networks, "front", address(&node.front_addresses));
        }
        volumes.insert(node.name.to_string(), json!({}));
        services.insert(
            node.name.to_string(),
            json!({
                "image": image(blueprint),
                "hostname": node.name,
                "networks": networks,
                "volumes": [
                    { "type": "bind", "source": format!("./config/{}.tar", node.name), "target": CONFIG, "read_only": true },
                    { "type": "volume", "source": node.name, "target": "/var" },
                ],
                "tmpfs": ["/run", "/tmp"],
                "cap_add": ["NET_ADMIN", "NET_BIND_SERVICE"],
                "mem_limit": node.memory.as_bytes(),
                "cpus": node.cores,
                "init": true,
                "restart": "unless-stopped",
            }),
        );
    }
    let name = format!("{}-{}", blueprint.platform, blueprint.environment);
    let document = json!({ "name": name, "services": services, "networks": { "inner": inner, "front": front }, "volumes": volumes });
    // Compose looks for a variable behind a dollar; two are one.
    pretty(&document).replace('$', "$$")
}

/// Returns the manifests of all nodes as one list: for each a service without an address of its own, and a stateful set of one.
pub(super) fn kubernetes(blueprint: &Blueprint, bundle: &Bundle) -> String {
    let namespace = format!("{}-{}", blueprint.platform, blueprint.environment);
    let mut items = vec![json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } })];
    for node in &blueprint.nodes {
        items.extend(workload(blueprint, bundle, node, &namespace));
    }
    pretty(&json!({ "apiVersion": "v1", "kind": "List", "items": items }))
}

fn workload(blueprint: &Blueprint, bundle: &Bundle, node: &Node, namespace: &str) -> [Value; 2] {
    let name = node.name.as_str();
    let labels = json!({
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": node.role.name(),
        "app.kubernetes.io/part-of": blueprint.platform,
    });
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels });
    let selector = json!({ "app.kubernetes.io/name": name });
    // Two services may share a port; a port has one name.
    let answered: BTreeMap<u16, &str> =
        node.services.iter().map(|service| (service.port, service.name.as_str())).collect();
    let ports: Vec<Value> = answered.iter().map(|(port, name)| json!({ "name": short(name), "port": port })).collect();
    let container_ports: Vec<Value> = answered.keys().map(|port| json!({ "containerPort": port })).collect();
    let ready = bundle.nodes.get(name).and_then(|tree| tree.processes.iter().find_map(|process| process.ready.first()));
    let mut container = json!({
        "name": "node",
        "image": image(blueprint),
        "ports": container_ports,
        "resources": {
            "limits": { "memory": node.memory.as_bytes().to_string(), "cpu": node.cores.to_string() },
        },
        "securityContext": { "capabilities": { "add": ["NET_ADMIN", "NET_BIND_SERVICE"] } },
        "volumeMounts": [
            { "name": "config", "mountPath": CONFIG, "subPath": "config.tar", "readOnly": true },
            { "name": "state", "mountPath": "/var" },
            { "name": "run", "mountPath": "/run" },
            { "name": "tmp", "mountPath": "/tmp" },
        ],
    });
    if let Some(port) = ready {
        let probe = json!({ "tcpSocket": { "port": port }, "periodSeconds": 2 });
        set(&mut container, "readinessProbe", probe);
    }
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": { "clusterIP": "None", "selector": selector, "ports": ports },
    });
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": { "matchLabels": selector },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "hostname": name,
                    // Nodes of a role and a cluster do not share a machine.
                    "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
                        "weight": 100,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": { "matchLabels": { "app.kubernetes.io/component": node.role.name() } },
                        },
                    }] } },
                    "containers": [container],
                    "volumes": [
                        { "name": "config", "secret": { "secretName": format!("config-{name}") } },
                        { "name": "run", "emptyDir": { "medium": "Memory" } },
                        { "name": "tmp", "emptyDir": {} },
                    ],
                },
            },
            "volumeClaimTemplates": [{
                "metadata": { "name": "state" },
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": { "requests": { "storage": node.disk.as_bytes().to_string() } },
                },
            }],
        },
    });
    [service, set]
}

/// Sets a field of an object.
fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}

/// A port's name may have fifteen characters (RFC 6335 §5.1).
fn short(name: &str) -> String {
    let cut: String = name.chars().take(15).collect();
    cut.trim_end_matches('-').to_owned()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("plain data becomes JSON") + "\n"
}

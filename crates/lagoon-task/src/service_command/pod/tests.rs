use proptest::prelude::*;

use super::*;
use crate::environment::is_dns_subdomain;

fn new_pod<'a>() -> NewPod<'a> {
    NewPod {
        name: "lagoon-task-1a2b3c-command",
        service: "cli",
        container: None,
        command: "drush status",
        seconds: 3600,
        owner: ("lagoon-task-1a2b3c", "0b5e-uid"),
    }
}

/// A pod as the API server gives it, with a field of every sort, and some that no version of Kubernetes has yet.
fn running_pod() -> Value {
    json!({
        "metadata": {
            "name": "cli-5d9c-x", "namespace": "shop-main", "uid": "its-uid", "resourceVersion": "7",
            "labels": { "lagoon.sh/service": "cli", "app.kubernetes.io/name": "cli", "pod-template-hash": "5d9c" },
            "annotations": {
                "k8up.io/backupcommand": "dump",
                "container.apparmor.security.beta.kubernetes.io/cli": "localhost/strict",
                "container.apparmor.security.beta.kubernetes.io/logs": "localhost/other",
            },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cli-5d9c", "uid": "rs" }],
        },
        "spec": {
            "containers": [
                { "name": "logs", "image": "registry.example/logs" },
                {
                    "name": "cli", "image": "registry.example/shop/cli@sha256:1", "imagePullPolicy": "Always",
                    "command": ["/sbin/tini"], "args": ["sleep", "infinity"], "workingDir": "/app",
                    "env": [
                        { "name": "CRONJOBS", "value": "* * * * * drush cron" },
                        { "name": "DB", "valueFrom": { "secretKeyRef": { "name": "db", "key": "url" } } },
                    ],
                    "envFrom": [{ "configMapRef": { "name": "lagoon-env" } }, { "secretRef": { "name": "lagoon-env" } }],
                    "volumeMounts": [
                        { "name": "files", "mountPath": "/app/files" },
                        { "name": "kube-api-access-abcde", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" },
                    ],
                    "resources": { "requests": { "memory": "100Mi" } },
                    "securityContext": { "runAsUser": 1000, "capabilities": { "drop": ["ALL"] } },
                    "terminationMessagePolicy": "File",
                    "ports": [{ "containerPort": 9000 }], "stdin": true, "stdinOnce": true, "tty": true,
                    "livenessProbe": {}, "readinessProbe": {}, "startupProbe": {}, "lifecycle": {},
                    "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": "NotRequired" }],
                    "restartPolicy": "Always", "restartPolicyRules": [],
                    "ofTheFuture": { "kept": true },
                },
            ],
            "initContainers": [
                { "name": "prepare", "image": "registry.example/prepare", "command": ["prepare"], "args": ["all"] },
                {
                    "name": "proxy", "image": "registry.example/proxy", "restartPolicy": "Always",
                    "ports": [{ "containerPort": 1 }], "readinessProbe": {},
                    "volumeMounts": [{ "name": "kube-api-access-abcde", "mountPath": "/x" }],
                },
            ],
            "volumes": [
                { "name": "files", "persistentVolumeClaim": { "claimName": "files" } },
                { "name": "kube-api-access-abcde", "projected": { "sources": [] } },
                { "name": "kube-api-access-mine", "emptyDir": {} },
            ],
            "nodeName": "node-1", "hostname": "cli", "hostnameOverride": "cli-0", "subdomain": "web", "setHostnameAsFQDN": true,
            "priority": 10, "preemptionPolicy": "Never", "overhead": {}, "readinessGates": [],
            "ephemeralContainers": [{ "name": "debug" }], "activeDeadlineSeconds": 1, "restartPolicy": "Always",
            "serviceAccountName": "site", "serviceAccount": "site", "automountServiceAccountToken": false,
            "imagePullSecrets": [{ "name": "lagoon-internal-registry-secret" }],
            "securityContext": { "fsGroup": 10001 }, "nodeSelector": { "disk": "ssd" },
            "tolerations": [{ "key": "lagoon.sh/spot" }], "affinity": { "nodeAffinity": {} },
            "dnsPolicy": "ClusterFirst", "dnsConfig": { "options": [] }, "hostAliases": [{ "ip": "192.0.2.1" }],
            "priorityClassName": "lagoon-priority-production", "runtimeClassName": "kata", "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler", "shareProcessNamespace": true,
            "ofTheFuture": { "kept": true },
        },
        "status": { "phase": "Running" },
    })
}

/// The names of an object's fields.
fn fields(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_container_keeps_all_but_what_makes_it_a_part_of_the_service() {
    let source = running_pod();
    let pod = service_pod(&source, &new_pod()).unwrap();
    let (old, new) = (&source["spec"]["containers"][1], &pod["spec"]["containers"][0]);
    assert_eq!(pod["spec"]["containers"].as_array().unwrap().len(), 1);
    for field in fields(old) {
        match field {
            "ports" | "livenessProbe" | "readinessProbe" | "startupProbe" | "lifecycle" | "resizePolicy" | "args"
            | "stdin" | "stdinOnce" | "tty" | "restartPolicy" | "restartPolicyRules" => {
                assert_eq!(new.get(field), None, "{field}");
            }
            "command" | "env" | "volumeMounts" => {}
            _ => assert_eq!(new[field], old[field], "{field}"),
        }
    }
    assert_eq!(new["env"], json!([old["env"][1]]), "all but the cron jobs");
    assert_eq!(new["volumeMounts"], json!([old["volumeMounts"][0]]), "all but the token");
}

#[test]
fn the_pod_keeps_all_but_its_place_and_its_other_containers() {
    let source = running_pod();
    let pod = service_pod(&source, &new_pod()).unwrap();
    let (old, new) = (&source["spec"], &pod["spec"]);
    for field in fields(old) {
        match field {
            "nodeName"
            | "hostname"
            | "hostnameOverride"
            | "subdomain"
            | "setHostnameAsFQDN"
            | "priority"
            | "preemptionPolicy"
            | "overhead"
            | "readinessGates"
            | "ephemeralContainers" => assert_eq!(new.get(field), None, "{field}"),
            "containers" | "initContainers" | "volumes" | "activeDeadlineSeconds" | "restartPolicy" => {}
            _ => assert_eq!(new[field], old[field], "{field}"),
        }
    }
    assert_eq!(new["volumes"], json!([old["volumes"][0], old["volumes"][2]]), "all but the token");
    assert_eq!((&new["restartPolicy"], &new["activeDeadlineSeconds"]), (&json!("Never"), &json!(3600)));
    assert_eq!(pod.get("status"), None);
}

#[test]
fn init_containers_stay_as_they_are_but_for_ports_and_probes() {
    let source = running_pod();
    let pod = service_pod(&source, &new_pod()).unwrap();
    let [prepare, proxy] = pod["spec"]["initContainers"].as_array().unwrap().as_slice() else { panic!("{pod}") };
    assert_eq!(*prepare, source["spec"]["initContainers"][0]);
    assert_eq!(fields(proxy), ["name", "image", "restartPolicy", "volumeMounts"]);
    assert_eq!(proxy["volumeMounts"], json!([]));
}

#[test]
fn the_new_pod_gets_no_visitor_of_the_service_and_goes_with_the_task() {
    let pod = service_pod(&running_pod(), &new_pod()).unwrap();
    assert_eq!(
        pod["metadata"],
        json!({
            "name": "lagoon-task-1a2b3c-command",
            "labels": { "task.lagoon.sh/asked-for-by": "0b5e-uid" },
            "annotations": {
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                "container.apparmor.security.beta.kubernetes.io/cli": "localhost/strict",
            },
            "ownerReferences": [
                { "apiVersion": "v1", "kind": "Pod", "name": "lagoon-task-1a2b3c", "uid": "0b5e-uid" },
            ],
        })
    );
}

#[test]
fn a_deployment_gives_the_same_pod_as_a_pod_of_it() {
    let pod = running_pod();
    let template = json!({ "metadata": pod["metadata"], "spec": pod["spec"] });
    let deployment = json!({
        "metadata": { "name": "cli", "labels": { "lagoon.sh/service": "cli" } },
        "spec": { "replicas": 0, "selector": {}, "template": template },
    });
    assert_eq!(service_pod(&deployment, &new_pod()), service_pod(&pod, &new_pod()));
}

fn with_containers(names: &[&str], default: Option<&str>) -> Value {
    let containers: Vec<Value> = names.iter().map(|name| json!({ "name": name, "image": name })).collect();
    json!({ "metadata": { "annotations": { DEFAULT_CONTAINER: default } }, "spec": { "containers": containers } })
}

#[test]
fn the_container_is_the_one_asked_for_else_of_the_services_name_else_the_default_else_the_only_one() {
    let table = [
        (["nginx", "php"].as_slice(), None, Some("php"), "php"),
        (&["php", "nginx"], None, None, "nginx"),
        (&["php", "nginx"], Some("php"), None, "nginx"),
        (&["web", "php"], Some("php"), None, "php"),
        (&["web"], None, None, "web"),
        (&["web"], Some("gone"), None, "web"),
    ];
    for (containers, default, asked, expected) in table {
        let new = NewPod { service: "nginx", container: asked, ..new_pod() };
        let pod = service_pod(&with_containers(containers, default), &new).unwrap();
        assert_eq!(container_name(&pod), expected, "{containers:?} {default:?} {asked:?}");
    }
}

#[test]
fn a_container_that_cannot_be_told_is_an_error_that_names_them_all() {
    let error = |containers: &[&str], container| {
        let new = NewPod { service: "web", container, ..new_pod() };
        service_pod(&with_containers(containers, None), &new).unwrap_err().to_string()
    };
    assert_eq!(
        error(&["nginx", "php"], None),
        "The pod of service \"web\" has several containers, \"nginx\", \"php\", and none of that name. Say which one \
         the command is for: in the payload's field `container`."
    );
    assert_eq!(
        error(&["nginx", "php"], Some("p\u{1b}")),
        "The pod of service \"web\" has no container \"p\\u{1b}\". It has: \"nginx\", \"php\"."
    );
    assert_eq!(error(&[], None), "The pod of service \"web\" has no container.");
}

/// What Kubernetes makes of an argument of a container that has no variables (its `expansion` package: `$$` is a dollar).
fn expanded(argument: &Value) -> String {
    argument.as_str().unwrap().replace("$$", "$")
}

#[test]
fn the_command_is_one_argument_of_a_shell_whatever_it_holds() {
    for command in ["drush status", "echo \"a b\" 'c'; exit 3", "$(touch /tmp/x) $$ $DB $(DB) $$(DB) $", "-c", "a\nb"] {
        let pod = service_pod(&running_pod(), &NewPod { command, ..new_pod() }).unwrap();
        let arguments: Vec<String> =
            pod["spec"]["containers"][0]["command"].as_array().unwrap().iter().map(expanded).collect();
        assert_eq!(arguments, ["/bin/sh", "-c", START, "sh", command]);
    }
}

#[test]
fn the_start_script_runs_the_command_and_passes_its_output_and_exit_code_on() {
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", START, "sh", "echo \"$0 and $# more\" 'it''s'; exit 7"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "/bin/sh and 0 more its\n");
    assert_eq!(output.status.code(), Some(7));
}

proptest! {
    #[test]
    fn the_pods_name_is_a_name_and_the_same_each_time(
        own in "[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", before in any::<u32>(),
    ) {
        prop_assume!(is_dns_subdomain(&own));
        let name = pod_name(&own, before);
        prop_assert!(is_dns_subdomain(&name), "{}", name);
        prop_assert_eq!(&name, &pod_name(&own, before));
        prop_assert_ne!(&name, &pod_name(&own, before ^ 1), "each command has a pod of its own");
        prop_assert_ne!(name, own);
    }

    #[test]
    fn no_source_makes_it_panic(name in "\\PC{0,8}", list in prop::collection::vec("\\PC{0,8}", 0..3), odd in 0..6_usize) {
        let odd = [json!(null), json!(1), json!("x"), json!([1, "x"]), json!({ "name": 1 }), json!(list)][odd].clone();
        for source in [
            odd.clone(),
            json!({ "spec": odd }),
            json!({ "spec": { "template": odd } }),
            json!({ "spec": { "containers": odd } }),
            json!({ "spec": { "containers": [{ "name": name, "env": odd, "volumeMounts": odd }], "volumes": odd,
                "initContainers": odd }, "metadata": { "annotations": odd } }),
        ] {
            if let Ok(pod) = service_pod(&source, &new_pod()) {
                prop_assert_eq!(&pod["spec"]["restartPolicy"], "Never");
            }
        }
    }
}

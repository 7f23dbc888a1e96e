//! What the test bench does by itself, shown with the real API server.

use http::Method;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use lagoon_task_testing::{
    CERT_MANAGER, ControlPlane, Fault, FaultProxy, GATEWAY_API, HostGuard, LagoonEnvironment, Launcher, Passing,
    Running, TRAEFIK, once,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use lagoon_task_testing::until;
use switch_testing::{Site, control_plane};

const NAME: &str = "host-migration-b1e2n3";

fn object<K: DeserializeOwned>(json: Value) -> K {
    serde_json::from_value(json).unwrap()
}

/// A client with the rights of an environment's deployer.
async fn deployer(control_plane: &ControlPlane, environment: &LagoonEnvironment) -> kube::Client {
    let launcher = Launcher::new(control_plane);
    let prepared = launcher.task(environment, "/bin/true").prepare().await.unwrap();
    let token = std::fs::read_to_string(prepared.service_account_folder().join("token")).unwrap();
    let mut kubeconfig = Kubeconfig::read_from(control_plane.kubeconfig()).unwrap();
    kubeconfig.auth_infos[0].auth_info = Some(object(json!({ "token": token })));
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

fn is_create(passing: &Passing) -> bool {
    passing.method == Method::POST
}

/// Starts a switch of which `fault` holds the create, or its answer; answers when it is held.
async fn held<'bench>(
    site: &Site<'bench>,
    fault: Fault,
    wanted: fn(&Passing) -> bool,
) -> (FaultProxy, Running<'bench>) {
    let proxy = FaultProxy::start(control_plane().await, once(fault, wanted)).await.unwrap();
    let task = site.task(&site.payload(NAME)).variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let running = task.launch().await.unwrap();
    assert!(wanted(&proxy.until_held().await.unwrap()));
    assert_eq!(proxy.held(), 1);
    (proxy, running)
}

#[tokio::test]
async fn a_held_request_reaches_the_api_server_when_it_is_released() {
    let site = Site::new(control_plane().await, "request-held").await;
    let (proxy, running) = held(&site, Fault::RequestHeld, is_create).await;
    assert!(site.migrations().get_opt(NAME).await.unwrap().is_none());
    assert_eq!(proxy.passed().len(), 1);
    proxy.release();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(proxy.held(), 0);

    let passed = proxy.passed();
    assert_eq!(passed.iter().map(|passing| passing.number).collect::<Vec<_>>(), (0..passed.len()).collect::<Vec<_>>());
    assert!(is_create(&passed[0]));
    assert_eq!(proxy.injected(), [(passed[0].clone(), Fault::RequestHeld)]);
    // Those that were on their way at the same time may arrive in another order.
    let mut passed: Vec<_> = passed.into_iter().map(|passing| passing.uri).collect();
    let mut arrived: Vec<_> = finished.requests.into_iter().map(|request| request.uri).collect();
    passed.sort();
    arrived.sort();
    assert_eq!(passed, arrived);
}

#[tokio::test]
async fn a_held_answer_is_that_of_a_request_that_was_carried_out() {
    let site = Site::new(control_plane().await, "answer-held").await;
    let (proxy, running) = held(&site, Fault::AnswerHeld, is_create).await;
    site.migrations().get(NAME).await.unwrap();
    assert_eq!(proxy.passed().len(), 1);
    proxy.release();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(!finished.log.to_lowercase().contains("trying again"), "{}", finished.log);
}

#[tokio::test]
async fn a_watch_whose_answer_is_held_goes_on_where_it_was() {
    let site = Site::new(control_plane().await, "watch-held").await;
    let (proxy, running) = held(&site, Fault::AnswerHeld, Passing::is_watch).await;
    site.complete(NAME).await;
    assert_eq!(proxy.held(), 1);
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(proxy.passed().iter().filter(|passing| passing.is_watch()).count(), 1);
}

#[tokio::test]
async fn a_task_killed_while_its_request_is_held_has_not_made_it() {
    let site = Site::new(control_plane().await, "killed-before").await;
    let (proxy, running) = held(&site, Fault::RequestHeld, is_create).await;
    running.signal("KILL").await.unwrap();
    let finished = running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    proxy.release();
    assert_eq!(finished.signal, Some(9));
    let own = |request: &lagoon_task_testing::Request| request.namespace == site.standby.namespace;
    let requests = control_plane().await.requests(own).await.unwrap();
    assert!(!requests.iter().any(|request| request.short() == "create hostmigrations"), "{requests:#?}");
}

#[tokio::test]
async fn a_task_killed_while_its_answer_is_held_has_made_its_request() {
    let site = Site::new(control_plane().await, "killed-after").await;
    let (proxy, running) = held(&site, Fault::AnswerHeld, is_create).await;
    running.signal("KILL").await.unwrap();
    let finished = running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    assert_eq!(finished.requests_in_short(), ["create hostmigrations"]);
    assert_eq!(finished.requests[0].status, Some(201));
}

#[tokio::test]
async fn what_is_held_is_gone_when_its_connection_is_cut() {
    let site = Site::new(control_plane().await, "cut-while-held").await;
    let (proxy, running) = held(&site, Fault::RequestHeld, is_create).await;
    proxy.cut();
    proxy.release();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(finished.log.contains("Trying again"), "{}", finished.log);
    assert_eq!(finished.requests.iter().filter(|request| request.verb == "create").count(), 1);
}

fn ingress(name: &str, host: &str, path: &str) -> Ingress {
    object(json!({
        "metadata": { "name": name },
        "spec": { "rules": [{ "host": host, "http": { "paths": [{
            "path": path, "pathType": "Prefix",
            "backend": { "service": { "name": "nginx", "port": { "number": 80 } } },
        }]}}]},
    }))
}

fn for_real() -> PostParams {
    PostParams::default()
}

fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

/// The status and message of a refusal.
fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_host_guard_refuses_a_host_and_path_that_is_taken_in_ingress_nginxs_words() {
    let site = Site::new(control_plane().await, "guarded").await;
    let client = deployer(control_plane().await, &site.standby).await;
    let standby = Api::<Ingress>::namespaced(client.clone(), &site.standby.namespace);
    let active = Api::<Ingress>::namespaced(client, &site.active.namespace);
    let route = ingress("www", "www.example.com", "/");
    standby.create(&for_real(), &route).await.unwrap();

    let guard = HostGuard::install(control_plane().await, &site.standby).await.unwrap();
    let says = "admission webhook \"validate.nginx.ingress.kubernetes.io\" denied the request: host \"www.example.com\" \
                and path \"/\" is already defined in ingress guarded-develop/www";
    assert_eq!(refusal(active.create(&dry_run(), &route).await), (400, says.to_owned()));
    assert_eq!(refusal(active.create(&for_real(), &route).await), (400, says.to_owned()));
    assert_eq!(refusal(standby.create(&for_real(), &ingress("other", "www.example.com", "/")).await).0, 400);
    active.create(&for_real(), &ingress("shop", "www.example.com", "/shop")).await.unwrap();
    assert_eq!((guard.asked(), guard.refused()), (4, 3));

    let label = Patch::Merge(json!({ "metadata": { "labels": { "example.com/seen": "yes" } } }));
    standby.patch("www", &PatchParams::default(), &label).await.unwrap();
    let taken = Patch::Merge(json!({ "spec": { "rules": route.spec.as_ref().unwrap().rules } }));
    assert_eq!(refusal(active.patch("shop", &PatchParams::default(), &taken).await), (400, says.to_owned()));

    standby.delete("www", &DeleteParams::default()).await.unwrap();
    active.create(&for_real(), &route).await.unwrap();
    guard.uninstall().await.unwrap();
    standby.create(&for_real(), &route).await.unwrap();
}

#[tokio::test]
async fn the_host_guard_leaves_other_projects_alone() {
    let site = Site::new(control_plane().await, "guarded-too").await;
    let other = Site::new(control_plane().await, "unguarded").await;
    let guard = HostGuard::install(control_plane().await, &site.standby).await.unwrap();
    let route = ingress("www", "www.example.org", "/");
    for environment in [&other.standby, &other.active, &site.standby] {
        let ingresses = Api::<Ingress>::namespaced(site.client(), &environment.namespace);
        ingresses.create(&for_real(), &route).await.unwrap();
    }
    assert_eq!((guard.asked(), guard.refused()), (1, 0));
}

#[tokio::test]
async fn the_host_guard_can_refuse_what_it_accepted_as_a_dry_run() {
    let site = Site::new(control_plane().await, "refused-later").await;
    let guard = HostGuard::install(control_plane().await, &site.active).await.unwrap();
    let active = Api::<Ingress>::namespaced(site.client(), &site.active.namespace);
    let (there, route) = (ingress("there", "there.example.com", "/"), ingress("www", "www.example.com", "/"));
    active.create(&for_real(), &there).await.unwrap();
    guard.refuse_everything(Some("not today"));
    active.create(&dry_run(), &route).await.unwrap();
    let (code, message) = refusal(active.create(&for_real(), &route).await);
    assert_eq!(code, 400);
    assert!(message.ends_with("denied the request: not today"), "{message}");
    let label = Patch::Merge(json!({ "metadata": { "labels": { "example.com/seen": "yes" } } }));
    active.patch("there", &PatchParams::default(), &label).await.unwrap();
    guard.refuse_everything(None);
    active.create(&for_real(), &route).await.unwrap();
    assert_eq!((guard.asked(), guard.refused()), (5, 1));
}

#[tokio::test]
async fn the_rights_of_a_switch_are_there_and_gone_when_the_launcher_says_so() {
    let site = Site::new(control_plane().await, "rights").await;
    let active =
        Api::<Ingress>::namespaced(deployer(control_plane().await, &site.standby).await, &site.active.namespace);
    let route = ingress("www", "www.example.com", "/");
    for _ in 0..30 {
        active.create(&dry_run(), &route).await.unwrap();
        site.launcher.forbid_switch(&site.standby, &site.active).await.unwrap();
        assert_eq!(refusal(active.create(&dry_run(), &route).await).0, 403);
        site.launcher.allow_switch(&site.standby, &site.active).await.unwrap();
    }
}

#[tokio::test]
async fn the_record_tells_dry_runs_apart_and_when_a_request_arrived() {
    let site = Site::new(control_plane().await, "recorded").await;
    let ingresses = Api::<Ingress>::namespaced(site.client(), &site.active.namespace);
    let route = ingress("www", "www.example.com", "/");
    ingresses.create(&dry_run(), &route).await.unwrap();
    ingresses.create(&for_real(), &route).await.unwrap();
    let wanted = |request: &lagoon_task_testing::Request| {
        request.namespace == site.active.namespace && request.resource == "ingresses"
    };
    let requests = control_plane().await.requests(wanted).await.unwrap();
    assert_eq!(requests.iter().map(|request| request.dry_run).collect::<Vec<_>>(), [true, false]);
    let times: Vec<_> = requests.iter().flat_map(|request| [&request.received_at, &request.answered_at]).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times.iter().all(|time| time.len() == "2026-11-23T12:00:00.000000Z".len()), "{times:?}");
}

#[tokio::test]
async fn a_task_runs_as_another_service_account_if_told_so() {
    let site = Site::new(control_plane().await, "account").await;
    let namespace = &site.standby.namespace;
    let accounts = Api::<ServiceAccount>::namespaced(site.client(), namespace);
    accounts.create(&for_real(), &object(json!({ "metadata": { "name": "switcher" } }))).await.unwrap();
    let binding = json!({
        "metadata": { "name": "switcher" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "switcher", "namespace": namespace }],
    });
    let bindings = Api::<RoleBinding>::namespaced(site.client(), namespace);
    bindings.create(&for_real(), &object(binding)).await.unwrap();

    let running = site.task(&site.payload(NAME)).service_account("switcher").launch().await.unwrap();
    let pod = Api::<Pod>::namespaced(site.client(), namespace).get(&running.pod_name()).await.unwrap();
    assert_eq!(pod.spec.unwrap().service_account_name.as_deref(), Some("switcher"));
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let user = "system:serviceaccount:account-develop:switcher";
    assert!(finished.requests.len() >= 3, "{:#?}", finished.requests);
    assert!(finished.requests.iter().all(|request| request.user == user), "{:#?}", finished.requests);
}

#[tokio::test]
async fn arguments_come_after_the_root() {
    let launcher = Launcher::new(control_plane().await);
    let environment = launcher.environment("arguments", "main").await.unwrap();
    let task = launcher.task(&environment, "/bin/echo").argument("--once").argument("two words");
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert!(finished.log.starts_with("--root /"), "{}", finished.log);
    assert!(finished.log.ends_with(" --once two words\n"), "{}", finished.log);
}

#[tokio::test]
async fn the_host_guard_is_in_force_exactly_while_it_is_installed() {
    let site = Site::new(control_plane().await, "guarded-at-times").await;
    let standby = Api::<Ingress>::namespaced(site.client(), &site.standby.namespace);
    let route = ingress("www", "www.example.com", "/");
    for _ in 0..30 {
        let guard = HostGuard::install(control_plane().await, &site.active).await.unwrap();
        assert_eq!((guard.asked(), guard.refused()), (0, 0));
        standby.create(&dry_run(), &route).await.unwrap();
        assert_eq!((guard.asked(), guard.refused()), (1, 0));
        guard.uninstall().await.unwrap();
        // It would fail if nobody were there who is asked.
        standby.create(&dry_run(), &route).await.unwrap();
    }
}

#[tokio::test]
async fn a_deployer_has_rights_for_the_kinds_of_the_stand_ins() {
    // One of its own: on the one that all share, the kinds that a switch looks for would change meanwhile.
    let bench = &ControlPlane::start().await.unwrap();
    // At once, as tests do.
    let applied = tokio::join!(bench.apply(GATEWAY_API), bench.apply(CERT_MANAGER), bench.apply(TRAEFIK));
    assert!(matches!(applied, (Ok(()), Ok(()), Ok(()))), "{applied:?}");
    let environment = Launcher::new(bench).environment("stand-ins", "main").await.unwrap();
    let client = deployer(bench, &environment).await;
    let api = |group: &str, version: &str, kind: &str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::<DynamicObject>::namespaced_with(client.clone(), &environment.namespace, &resource)
    };
    let any = |kind: &str, version: &str| {
        let spec = json!({ "anything": [{ "at": "all" }] });
        json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "one" }, "spec": spec })
    };
    for (group, version, kind) in [
        ("gateway.networking.k8s.io", "v1", "HTTPRoute"),
        ("cert-manager.io", "v1", "Certificate"),
        ("traefik.io", "v1alpha1", "Middleware"),
    ] {
        let api = api(group, version, kind);
        let json = any(kind, &format!("{group}/{version}"));
        let created = api.create(&for_real(), &object(json.clone())).await.unwrap();
        assert_eq!(created.data["spec"], json["spec"], "{kind}");
        if kind != "Middleware" {
            let status = Patch::Merge(json!({ "status": { "conditions": [{ "type": "Ready" }] } }));
            // A deployer does not write it, and a write of the object leaves it as it is.
            assert!(api.patch("one", &PatchParams::default(), &status).await.unwrap().data.get("status").is_none());
            assert_eq!(refusal(api.patch_status("one", &PatchParams::default(), &status).await).0, 403, "{kind}");
        }
        api.delete("one", &DeleteParams::default()).await.unwrap();
    }
    for (version, kind) in [("v1", "Gateway"), ("v1beta1", "ReferenceGrant")] {
        let group = "gateway.networking.k8s.io";
        let api = api(group, version, kind);
        assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 0);
        let refused = api.create(&for_real(), &object(any(kind, &format!("{group}/{version}")))).await;
        assert_eq!(refusal(refused).0, 403, "{kind}");
    }
}

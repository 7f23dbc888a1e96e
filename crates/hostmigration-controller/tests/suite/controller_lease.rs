//! The Lease, as the replica sees it that holds it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hostmigration_controller::election::Election;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use lagoon_task::mounts::Mounts;
use lagoon_task::{Cluster, Environment, Output};
use lagoon_task_testing::{Fault, FaultProxy, Passing};

use crate::controller_bench::Turn;
use lagoon_task_testing::until;

const CREDENTIALS: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// A replica's client whose requests pass through `proxy`.
async fn cluster(turn: &Turn, proxy: &FaultProxy) -> Cluster {
    let accounts = Api::<ServiceAccount>::namespaced(turn.client(), "lagoon");
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let parameters = PostParams::default();
    let token = accounts.create_token_request("hostmigration-controller", &parameters, &request).await;
    let token = token.unwrap().status.unwrap().token;
    let root = tempfile::tempdir().unwrap();
    let credentials = root.path().join(CREDENTIALS);
    fs::create_dir_all(&credentials).unwrap();
    fs::write(credentials.join("token"), token).unwrap();
    fs::write(credentials.join("ca.crt"), turn.control_plane.certificate_authority()).unwrap();
    let environment = Environment::from_lookup(|name| {
        Some(match name {
            "NAMESPACE" => "lagoon".into(),
            "PODNAME" => "replica".into(),
            "KUBERNETES_SERVICE_HOST" => "127.0.0.1".into(),
            "KUBERNETES_SERVICE_PORT" => proxy.port().to_string().into(),
            _ => return None,
        })
    });
    let output = Output::new(std::io::sink(), false);
    Cluster::connect(&environment.unwrap(), &Mounts::below(root.path()), &output, "controller-lease/1").unwrap()
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_is_given_up_however_often_its_keeping_is_begun_anew() {
    let turn = Turn::take().await;
    let holds = Arc::new(AtomicBool::new(false));
    let is_held = Arc::clone(&holds);
    let plan = move |_: &Passing| if is_held.load(Ordering::SeqCst) { Fault::RequestHeld } else { Fault::None };
    let proxy = FaultProxy::start(turn.control_plane, plan).await.unwrap();
    let mut election = Election::new(cluster(&turn, &proxy).await, "lagoon", "replica");
    election.win().await;
    holds.store(true, Ordering::SeqCst);
    // As it is at each step of a leader's life: from the orphans to the objects, and from there to the end.
    for _ in 0..20 {
        tokio::select! {
            () = election.keep() => return,
            held = proxy.until_held() => drop(held.unwrap()),
        }
        until(|| proxy.held() == 0).await;
    }
    panic!("it holds on to a Lease that it has not renewed since long");
}

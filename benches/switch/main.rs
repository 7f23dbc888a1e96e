//! Measures the direct way on a local control plane: `cargo bench --bench switch`. It prints figures beside the floor that
//! the API server sets, measured in the same run, and asserts nothing about them; machines are shared and noisy, so it
//! gives medians. Then it shows what visitors notice of a switch.

mod visitors;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, PostParams};
use lagoon_task_testing::{
    self as testing, ControlPlane, Finished, LagoonEnvironment, Launcher, Prepared, Request, Traefik, ingress, service,
    tls_secret,
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_activestandby");

/// The names of the environments that are switched.
const STANDBY: &str = "develop";
const ACTIVE: &str = "main";

/// Runs of the small switches; of the large one there are `LARGE_RUNS`.
const RUNS: usize = 15;
const LARGE_RUNS: usize = 3;

/// Routes that the floor is measured with.
const FLOOR_ROUTES: usize = 200;

/// Stands in for ingress-nginx's admission webhook without the time that a webhook takes: a route's dry run is told that
/// the host is taken, and the create itself is not.
const HOST_IS_TAKEN: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: { name: host-is-taken }
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: { matchLabels: { "lagoon.sh/project": taken } }
    resourceRules:
    - { apiGroups: [networking.k8s.io], apiVersions: [v1], operations: [CREATE], resources: [ingresses] }
  validations:
  - expression: "!request.dryRun"
    message: 'host "a" and path "/" is already taken'
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: { name: host-is-taken }
spec: { policyName: host-is-taken, validationActions: [Deny] }
"#;

/// What one run showed.
struct Measured {
    whole: Duration,
    peak_memory_kib: u64,
    requests: Vec<Request>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let control_plane = ControlPlane::start().await?;
    let launcher = Launcher::new(&control_plane);
    println!("Deleting and creating a route, the floor on this machine at this hour:");
    for at_once in [1, 8, 16] {
        floor(&control_plane, &launcher, at_once).await?;
    }
    println!("\nA whole switch, from the start of the process to its end:");
    for (routes, tls, runs) in [(1, true, RUNS), (10, true, RUNS), (10, false, RUNS), (1000, true, LARGE_RUNS)] {
        let mut measured = Vec::new();
        for run in 0..runs {
            let project = format!("bench-{routes}-{tls}-{run}");
            measured.push(switch(&control_plane, &launcher, &project, routes, tls).await?);
        }
        report(routes, tls, &measured);
    }
    control_plane.apply(HOST_IS_TAKEN).await?;
    until_hosts_are_taken(&control_plane, &launcher).await?;
    let measured = switch(&control_plane, &launcher, "taken", 100, true).await?;
    println!("\nA route that must be deleted first, from delete committed to create committed:");
    print_median("100 routes each way", offline(&measured.requests)?);
    println!();
    match Traefik::start(&control_plane).await {
        Ok(traefik) => Box::pin(visitors::measure(&control_plane, &launcher, &traefik)).await,
        Err(testing::Error::Build { reason, .. }) => {
            println!("Visitors are not measured, Traefik could not be built: {}", reason.replace('\n', " "));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Two namespaces with this many routes each, and a switch of them.
async fn switch(
    control_plane: &ControlPlane,
    launcher: &Launcher<'_>,
    project: &str,
    routes: usize,
    tls: bool,
) -> Result<Measured, Box<dyn Error>> {
    let standby = launcher.environment(project, STANDBY).await?;
    let active = launcher.environment(project, ACTIVE).await?;
    for environment in [&standby, &active] {
        control_plane.create_all(&environment.namespace, content(environment, routes, tls)).await?;
    }
    let prepared = prepare(launcher, &standby, &active).await?;
    let started = Instant::now();
    let mut running = prepared.start()?;
    let process = running.process_id().unwrap_or_default();
    let memory = std::thread::spawn(move || peak_memory(process));
    running.exit().await?;
    let whole = started.elapsed();
    let Finished { exit_code, log, requests, .. } = running.finish().await?;
    if exit_code != Some(0) {
        return Err(log.into());
    }
    let peak_memory_kib = memory.join().map_err(|_| "The memory could not be watched.")?;
    Ok(Measured { whole, peak_memory_kib, requests })
}

/// A switch of two environments that has everything but the start.
async fn prepare<'bench>(
    launcher: &Launcher<'bench>,
    standby: &LagoonEnvironment,
    active: &LagoonEnvironment,
) -> Result<Prepared<'bench>, testing::Error> {
    launcher.allow_switch(standby, active).await?;
    let payload = json!({
        "productionEnvironment": active.name,
        "standbyEnvironment": standby.name,
        "sourceNamespace": standby.namespace,
        "destinationNamespace": active.namespace,
    });
    launcher.task(standby, BINARY).payload(&payload).prepare().await
}

fn content(environment: &LagoonEnvironment, routes: usize, tls: bool) -> Vec<Value> {
    let mut objects = vec![service("web")];
    for number in 0..routes {
        let name = format!("{}-{number}", environment.name);
        let (host, secret) = (format!("{name}.{}.example.com", environment.project), format!("{name}-tls"));
        if tls {
            objects.push(tls_secret(&secret, &host));
        }
        objects.push(ingress(&name, &host, "web", tls.then_some(secret.as_str())));
    }
    objects
}

/// Moves routes with nothing but a delete and a create each.
async fn floor(control_plane: &ControlPlane, launcher: &Launcher<'_>, at_once: usize) -> Result<(), Box<dyn Error>> {
    let project = format!("floor-{at_once}");
    let from = launcher.environment(&project, STANDBY).await?;
    let to = launcher.environment(&project, ACTIVE).await?;
    let objects = content(&from, FLOOR_ROUTES, false);
    control_plane.create_all(&from.namespace, objects.clone()).await?;
    let client = control_plane.client()?;
    let api = |environment: &LagoonEnvironment| Api::<Ingress>::namespaced(client.clone(), &environment.namespace);
    let (from, to) = (&api(&from), &api(&to));
    let routes = objects.into_iter().skip(1).map(serde_json::from_value).collect::<Result<Vec<Ingress>, _>>()?;
    let started = Instant::now();
    let moves = stream::iter(routes).map(|route| async move { delete_and_create(from, to, &route).await });
    let gaps: Vec<Duration> = moves.buffer_unordered(at_once).try_collect().await?;
    let rate = as_f64(FLOOR_ROUTES as u64) / started.elapsed().as_secs_f64();
    print_median(&format!("{at_once:>2} at once: {rate:>4.0} routes/s, between the two"), gaps);
    Ok(())
}

/// Moves one route with nothing but these two requests, and gives the time between their answers.
async fn delete_and_create(from: &Api<Ingress>, to: &Api<Ingress>, route: &Ingress) -> Result<Duration, kube::Error> {
    from.delete(route.metadata.name.as_deref().unwrap_or_default(), &DeleteParams::default()).await?;
    let deleted = Instant::now();
    to.create(&PostParams::default(), route).await?;
    Ok(deleted.elapsed())
}

/// A policy is in force some moments after it has been created.
async fn until_hosts_are_taken(control_plane: &ControlPlane, launcher: &Launcher<'_>) -> Result<(), Box<dyn Error>> {
    let environment = launcher.environment("taken", "trial").await?;
    let api = Api::<Ingress>::namespaced(control_plane.client()?, &environment.namespace);
    let trial: Ingress = serde_json::from_value(ingress("trial", "trial.example.com", "web", None))?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut ask = tokio::time::interval(Duration::from_millis(50));
    loop {
        ask.tick().await;
        if api.create(&dry_run, &trial).await.is_err() {
            return Ok(());
        }
    }
}

/// The writes of routes with this verb.
fn of_routes<'a>(requests: &'a [Request], verb: &str) -> impl Iterator<Item = &'a Request> {
    let wanted = format!("{verb} ingresses");
    requests.iter().filter(move |request| request.short() == wanted && !request.dry_run)
}

/// For each route the time between the answers to its delete and to its create.
fn offline(requests: &[Request]) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut gaps = Vec::new();
    for delete in of_routes(requests, "delete") {
        let create = of_routes(requests, "create")
            .find(|create| create.name == delete.name && create.namespace != delete.namespace);
        let create = create.ok_or("A route was deleted and not created.")?;
        let (begin, end): (Timestamp, Timestamp) = (delete.answered_at.parse()?, create.answered_at.parse()?);
        gaps.push(Duration::try_from(end.duration_since(begin)).map_err(|_| "A route was created first.")?);
    }
    Ok(gaps)
}

fn report(routes: usize, tls: bool, runs: &[Measured]) {
    let with = if tls { "with a TLS Secret each" } else { "without TLS" };
    print_median(&format!("{routes} routes each way, {with}"), runs.iter().map(|run| run.whole).collect());
    let memory = runs.iter().map(|run| run.peak_memory_kib).max().unwrap_or_default();
    let requests = runs.iter().map(|run| run.requests.len()).max().unwrap_or_default();
    let limit = 2 * routes * if tls { 9 } else { 5 } + 30;
    let offline: usize = runs.iter().map(|run| deleted_first(&run.requests)).sum();
    println!(
        "    {:.1} MB at most; {requests} requests at most, {limit} wanted; {offline} routes offline for a moment",
        as_f64(memory) * 1024.0 / 1e6
    );
}

/// How many routes were deleted before they were created on the other side.
fn deleted_first(requests: &[Request]) -> usize {
    let created_at: BTreeMap<&str, &str> =
        of_routes(requests, "create").map(|create| (create.name.as_str(), create.answered_at.as_str())).collect();
    of_routes(requests, "delete")
        .filter(|delete| {
            created_at.get(delete.name.as_str()).is_none_or(|created| *created > delete.received_at.as_str())
        })
        .count()
}

fn print_median(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let in_ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (least, median, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    println!("  {what}: {:.1} ms median of {} ({:.1} to {:.1})", in_ms(median), times.len(), in_ms(least), in_ms(most));
}

/// The highest resident size that the kernel has noted for a process, read until the process is gone.
fn peak_memory(process: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) {
        let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else { break };
        let read = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
        peak = peak.max(read);
        // It only grows, and there are two cores for everything.
        std::thread::sleep(Duration::from_millis(2));
    }
    peak
}

fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

//! Measures the CRD way on a local control plane: `cargo bench --bench crd_way`. It prints figures and asserts nothing
//! about them; machines are shared and noisy, so it gives medians.

use std::error::Error;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use hostmigration::{self, HostMigration};
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use lagoon_task_testing::{ControlPlane, LagoonEnvironment, Launcher};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_activestandby");
const RUNS: usize = 20;

/// What one run showed.
struct Measured {
    start_to_created: Duration,
    completed_to_exit: Duration,
    peak_memory_kib: u64,
    requests: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let control_plane = ControlPlane::start().await?;
    control_plane.apply(&hostmigration::definition_yaml()?).await?;
    control_plane.apply(include_str!("../deploy/hostmigration-deployer.yaml")).await?;
    let launcher = Launcher::new(&control_plane);
    let standby = launcher.environment("bench", "develop").await?;
    // The API server holds the first object of a new kind back for two seconds. This run is not counted.
    Box::pin(run(&control_plane, &launcher, &standby, RUNS)).await?;
    let mut runs = Vec::new();
    for number in 0..RUNS {
        runs.push(Box::pin(run(&control_plane, &launcher, &standby, number)).await?);
    }
    report(&runs)
}

async fn run(
    control_plane: &ControlPlane,
    launcher: &Launcher<'_>,
    standby: &LagoonEnvironment,
    number: usize,
) -> Result<Measured, Box<dyn Error>> {
    let name = format!("host-migration-bench{number:02}");
    let payload = json!({
        "productionEnvironment": "main",
        "standbyEnvironment": "develop",
        "crd": {
            "apiVersion": hostmigration::API_VERSION,
            "kind": hostmigration::KIND,
            "metadata": { "name": name },
            "spec": { "destinationNamespace": "bench-main" },
        },
    });
    let prepared = launcher.task(standby, BINARY).payload(&payload).prepare().await?;
    let migrations: Api<HostMigration> = Api::namespaced(control_plane.client()?, &standby.namespace);
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(migrations.watch(&parameters, "0").await?);

    let started = Instant::now();
    let mut running = prepared.start()?;
    next_event(&mut events).await?;
    let start_to_created = started.elapsed();

    running.wait_for_line("is in place").await?;
    let process = running.process_id().unwrap_or_default();
    let memory = std::thread::spawn(move || watch_peak_memory(process));
    let condition = json!({ "type": "completed", "status": "True", "condition": "", "lastTransitionTime": "now" });
    let patch = json!({
        "spec": { "hosts": { "activeHosts": "https://a.example.com", "standbyHosts": "https://b.example.com" } },
        "status": { "conditions": [condition] },
    });
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    // The task and this watch are told at the same time.
    let (completed, patched) = tokio::join!(
        async {
            let event = next_event(&mut events).await;
            (event, Instant::now())
        },
        migrations.patch(&name, &parameters, &patch)
    );
    patched?;
    completed.0?;
    running.exit().await?;
    let completed_to_exit = completed.1.elapsed();

    let finished = running.finish().await?;
    if finished.exit_code != Some(0) {
        return Err(finished.log.into());
    }
    let peak_memory_kib = memory.join().map_err(|_| "The memory could not be watched.")?;
    Ok(Measured { start_to_created, completed_to_exit, peak_memory_kib, requests: finished.requests_in_short() })
}

async fn next_event(
    events: &mut (impl Stream<Item = kube::Result<WatchEvent<HostMigration>>> + Unpin),
) -> Result<(), Box<dyn Error>> {
    while let Some(event) = events.next().await {
        if matches!(event?, WatchEvent::Added(_) | WatchEvent::Modified(_)) {
            return Ok(());
        }
    }
    Err("The watch ended.".into())
}

/// The highest resident size that the kernel has noted for a process, read until the process is gone.
fn watch_peak_memory(process: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) {
        let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else { break };
        let read = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
        peak = peak.max(read);
        std::thread::yield_now();
    }
    peak
}

fn report(runs: &[Measured]) -> Result<(), Box<dyn Error>> {
    let size = std::fs::metadata(BINARY)?.len();
    let linked = if is_static(Path::new(BINARY))? { "static" } else { "dynamically linked" };
    println!("binary: {:.2} MB, {linked}", as_f64(size) / 1e6);
    let memory = runs.iter().map(|run| run.peak_memory_kib);
    println!("peak memory: {:.2} MB at most", as_f64(memory.max().unwrap_or_default()) * 1024.0 / 1e6);
    print_times("start -> object created", runs.iter().map(|run| run.start_to_created));
    print_times("status completed -> process exit", runs.iter().map(|run| run.completed_to_exit));
    if let Some(run) = runs.last() {
        println!("requests of the last run: {}", run.requests.join(", "));
    }
    Ok(())
}

fn print_times(what: &str, times: impl Iterator<Item = Duration>) {
    let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1000.0).collect();
    times.sort_by(f64::total_cmp);
    let (least, median, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: {median:.1} ms median of {RUNS} ({least:.1} to {most:.1})");
}

fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Whether an ELF file asks for no interpreter, that is, no dynamic linker (program header `PT_INTERP`).
fn is_static(path: &Path) -> Result<bool, Box<dyn Error>> {
    const PT_INTERP: [u8; 4] = 3_u32.to_le_bytes();
    let file = std::fs::read(path)?;
    let number = |at: usize| file.get(at..at + 2).map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
    let (headers, size, count) = (number(0x20), number(0x36), number(0x38));
    let (Some(headers), Some(size), Some(count)) = (headers, size, count) else { return Err("not an ELF file".into()) };
    Ok((0..count).all(|header| file.get(headers + header * size..).is_none_or(|bytes| !bytes.starts_with(&PT_INTERP))))
}

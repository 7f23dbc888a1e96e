//! One container's life.

use std::fs;
use std::io;
use std::time::Duration;

use k8s_openapi::api::core::v1::Container;
use tokio::process::Child;
use tower::BoxError;

use crate::kubelet::clock::now;
use crate::kubelet::environment::{self, Variables};
use crate::kubelet::process::{self, Plan};
use crate::kubelet::shared::{Image, LOOK_AGAIN};
use crate::kubelet::sources::Sources;
use crate::kubelet::status::{ContainerState, Place};
use crate::kubelet::volumes;
use crate::kubelet::worker::Worker;
use crate::program::Program;

/// The API server takes this many bytes of a container's last word.
const MESSAGE_BYTES: usize = 4096;

/// What a container runtime sets where the image sets nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a container does not start yet, and may later: reason and message of its state.
type Hindrance = (&'static str, BoxError);

/// Runs a container from its image to its end, and reports its states to the worker.
pub(super) async fn run(worker: &Worker, place: Place, container: &Container) {
    let (program, variables) = tokio::select! {
        ready = until_ready(worker, place, container) => ready,
        _ = worker.until_stopped() => return,
    };
    let started_at = now();
    let ended =
        |exit, message| ContainerState::Ended { exit, message, started_at: started_at.clone(), finished_at: now() };
    let mut child = match start(worker, container, &program, variables) {
        Ok(child) => child,
        Err(error) => {
            worker.set(place, ended(None, error.to_string()));
            return worker.tell_started(Err(error));
        }
    };
    let log = worker.log_at(place);
    if let Some(stdout) = child.stdout.take() {
        log.read(stdout);
    }
    if let Some(stderr) = child.stderr.take() {
        log.read(stderr);
    }
    // It is there until it has been waited for.
    let id = child.id().unwrap_or_default();
    worker.set(place, ContainerState::Running { process: id, started_at: started_at.clone() });
    worker.tell_started(Ok(id));
    let exit = tokio::select! {
        exit = child.wait() => exit,
        grace = worker.until_stopped() => stop(worker, &mut child, id, grace).await,
    };
    // What it has left behind ends with it.
    process::kill(id);
    log.until_ended().await;
    let failed = !exit.as_ref().is_ok_and(std::process::ExitStatus::success);
    worker.set(place, ended(exit.ok(), last_word(worker, container, place, failed)));
}

/// Waits until the image is there and the variables are known.
async fn until_ready(worker: &Worker, place: Place, container: &Container) -> (Program, Variables) {
    let mut pull_failed = false;
    loop {
        let (reason, message) = match ready(worker, container, pull_failed).await {
            Ok(ready) => return ready,
            Err(hindrance) => hindrance,
        };
        pull_failed |= reason == "ErrImagePull";
        let state = ContainerState::Waiting { reason, message: message.to_string() };
        worker.set(place, state.clone());
        // So that everybody can see it before it changes.
        worker.until_written(place, &state).await;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn ready(worker: &Worker, container: &Container, pull_failed: bool) -> Result<(Program, Variables), Hindrance> {
    let name = container.image.clone().unwrap_or_default();
    let program = match worker.kubelet.image(&name) {
        Some(Image { program: Some(program), .. }) => program,
        _ if pull_failed => return Err(("ImagePullBackOff", format!("Back-off pulling image {name:?}").into())),
        _ => return Err(("ErrImagePull", format!("failed to pull image {name:?}: not found").into())),
    };
    let sources = Sources::read(&worker.kubelet.client, &worker.pod, &worker.kubelet.authority).await;
    let sources = sources.map_err(bad_config)?;
    let variables = environment::variables(container, &worker.pod, &sources).map_err(bad_config)?;
    Ok((program, complete(worker, &program_defaults(worker, container), variables)))
}

fn bad_config(error: impl Into<BoxError>) -> Hindrance {
    ("CreateContainerConfigError", error.into())
}

/// What a container's surroundings set: nothing of it in a task of the launcher, which runs in none.
fn program_defaults(worker: &Worker, container: &Container) -> Variables {
    let image = worker.kubelet.image(container.image.as_deref().unwrap_or_default());
    if worker.launch.is_some() || !matches!(image, Some(Image { program: Some(Program::Binary(_)), .. })) {
        return Variables::new();
    }
    let host_name = worker.pod.metadata.name.clone().unwrap_or_default();
    vec![("PATH".to_owned(), PATH.to_owned()), ("HOSTNAME".to_owned(), host_name)]
}

/// The pod's variables over the surroundings', the service `kubernetes` where the pod sets none, and what the test
/// changes.
fn complete(worker: &Worker, surroundings: &Variables, pods: Variables) -> Variables {
    let mut variables = surroundings.clone();
    environment::set(&mut variables, "KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned());
    environment::set(&mut variables, "KUBERNETES_SERVICE_PORT", worker.kubelet.api_server_port.to_string());
    for (name, value) in pods {
        environment::set(&mut variables, &name, value);
    }
    for (name, value) in worker.launch.iter().flat_map(|launch| &launch.changes) {
        variables.retain(|(existing, _)| existing != name);
        variables.extend(value.clone().map(|value| (name.clone(), value)));
    }
    variables
}

fn start(worker: &Worker, container: &Container, program: &Program, variables: Variables) -> io::Result<Child> {
    let folder = worker.folder.path();
    let volumes = worker.pod.spec.as_ref().and_then(|spec| spec.volumes.clone()).unwrap_or_default();
    let folder_of = |volume: &_| worker.folder_of(volume, folder);
    let mut mounts = volumes::mounts(container, &volumes, &variables, folder_of).map_err(io::Error::other)?;
    let last_word = process::termination_log(container, folder)?;
    if matches!(program, Program::Binary(_)) {
        mounts.push(last_word);
    }
    let launch = worker.launch.as_deref();
    let plan = Plan { pod: &worker.pod, container, program, launch, variables, mounts, folder };
    if let Program::Binary(path) = program
        && path.components().count() > 1
        && container.command.is_none()
    {
        fs::metadata(path)?;
    }
    plan.command()?.spawn()
}

/// Asks the process to end, and kills it when its time is over.
async fn stop(worker: &Worker, child: &mut Child, id: u32, grace: Duration) -> io::Result<std::process::ExitStatus> {
    if !grace.is_zero() {
        process::terminate(id);
        tokio::select! {
            exit = child.wait() => return exit,
            () = worker.until_time_is_over(grace) => {}
        }
    }
    process::kill(id);
    child.wait().await
}

/// What the container has left in its termination message file; the end of its log where it wishes so.
fn last_word(worker: &Worker, container: &Container, place: Place, failed: bool) -> String {
    let file = process::termination_file(container, worker.folder.path());
    // The test may have made it unreadable.
    let mut text = String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
    let from_log = container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    if text.is_empty() && failed && from_log {
        text = worker.log_at(place).text();
        text = text.split_off(text.floor_char_boundary(text.len().saturating_sub(MESSAGE_BYTES / 2)));
    }
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES));
    text
}

//! A stand-in for a kubelet: the containers of pods as processes of this machine.

mod container;
mod environment;
mod launch;
mod log;
mod log_query;
mod log_server;
mod node;
mod object;
mod pods;
mod process;
mod sources;
mod status;
mod volumes;
mod worker;

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use tokio::sync::{Notify, oneshot};

pub(crate) use launch::Launch;
pub(crate) use status::ContainerState;
pub(crate) use volumes::token;
pub(crate) use worker::Worker;

use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::task::Program;

/// How long until something is tried again that did not work.
const RETRY: Duration = Duration::from_millis(50);

/// How often a container is looked at again that cannot be started yet.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What a kubelet says of a pod that it evicts.
const EVICTED: &str = "The node was low on resource: memory.";

/// A stand-in for a kubelet, with as much of the scheduler as it needs. A handle: its clones are the same one.
///
/// Every pod of the control plane whose images it has been told of is bound to its node and runs: containers as
/// processes of this machine with the pod's variables, mounts, working directory and user; init containers one after the
/// other, then the containers at once. Status, logs (`kubectl logs`), deletion with grace, and eviction are as a kubelet
/// does them. Pods with another image stay `Pending`, untouched.
///
/// What it is not: containers share this machine's network, process table and files, but for their mounts, `/dev`, and the
/// folders that are made for a mount. There are no cgroups, no seccomp and no read-only roots, and of a `securityContext`
/// users and groups alone count. Containers are not restarted, whatever `restartPolicy` says. Probes, lifecycle hooks,
/// sidecar containers, deadlines, resource limits, `fsGroup` on files, `hostAliases`, events, `exec` and `port-forward` are
/// not there. Volumes are `secret`, `configMap`, `downwardAPI`, `projected`, `emptyDir`, and `persistentVolumeClaim`, a folder
/// that lives as long as the control plane; what they hold, tokens too, is not renewed while a pod runs.
///
/// A container's processes end with the container, and all containers with the control plane. When the test's process is
/// killed, each container's first process ends with it; what that one has started in the background does not.
///
/// It needs `unshare` and `setpriv` (Debian: `util-linux`). Without root, user namespaces must be allowed, and a container
/// has the one user and group that its pod names.
///
/// ```no_run
/// # async fn example() -> Result<(), lagoon_task_testing::Error> {
/// # let control_plane = lagoon_task_testing::ControlPlane::start().await?;
/// let kubelet = control_plane.kubelet().await?;
/// kubelet.add_image("example.com/tools:1", "/usr/bin/env");
/// // A pod with this image prints its variables now; with `command: [sh, -c, ...]` it runs that.
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Kubelet {
    shared: Arc<Shared>,
}

/// What the containers of an image run.
#[derive(Clone)]
struct Image {
    /// `None`: it cannot be pulled.
    program: Option<Program>,
    /// Of a task of the launcher.
    launch: Option<Arc<Launch>>,
}

/// What all parts of the stand-in know.
struct Shared {
    client: Client,
    authority: String,
    api_server_port: u16,
    folder: PathBuf,
    images: Mutex<HashMap<String, Image>>,
    images_changed: Notify,
    /// By the pod's uid.
    workers: Mutex<HashMap<String, Arc<Worker>>>,
}

impl Kubelet {
    /// Containers of this image run this program, also those of pods that wait already. As in Kubernetes the container's
    /// `command` takes the program's place, and `args` are its arguments.
    pub fn add_image(&self, image: impl Into<String>, program: impl Into<Program>) {
        self.shared.add_image(image.into(), Image { program: Some(program.into()), launch: None });
    }

    /// Containers of this image wait in vain: it cannot be pulled.
    pub fn add_broken_image(&self, image: impl Into<String>) {
        self.shared.add_image(image.into(), Image { program: None, launch: None });
    }

    /// The image of a task of the launcher.
    pub(crate) fn add_task(&self, image: String, program: Program, launch: Arc<Launch>) {
        self.shared.add_image(image, Image { program: Some(program), launch: Some(launch) });
    }

    /// Forgets an image.
    pub(crate) fn remove_image(&self, image: &str) {
        lock(&self.shared.images).remove(image);
    }

    /// Evicts a pod that runs here, as a kubelet does whose node is low on memory; waits until its containers have ended
    /// and its status says so.
    pub async fn evict(&self, namespace: &str, pod_name: &str) -> Result<(), Error> {
        let worker = self.shared.worker(namespace, pod_name).filter(|worker| !worker.states().borrow().is_over);
        let not_running = || Error::NotRunning { namespace: namespace.to_owned(), pod: pod_name.to_owned() };
        worker.ok_or_else(not_running)?.evict(EVICTED).await;
        Ok(())
    }
}

impl Shared {
    fn add_image(&self, name: String, image: Image) {
        lock(&self.images).insert(name, image);
        self.images_changed.notify_one();
    }

    fn image(&self, name: &str) -> Option<Image> {
        lock(&self.images).get(name).cloned()
    }

    /// The pod's worker. While one of the same name still ends, it is the new one.
    fn worker(&self, namespace: &str, pod: &str) -> Option<Arc<Worker>> {
        let workers = lock(&self.workers);
        let of_pod = |worker: &&Arc<Worker>| {
            worker.pod.name_any() == pod && worker.pod.namespace().as_deref() == Some(namespace)
        };
        workers.values().filter(of_pod).max_by_key(|worker| !worker.is_gone()).cloned()
    }

    fn forget(&self, pod: &Pod) {
        lock(&self.workers).remove(&pod.uid().unwrap_or_default());
    }
}

/// A kubelet stand-in that has been started; it ends, and its containers with it, when this is dropped.
pub(crate) struct Started {
    kubelet: Kubelet,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Started {
    /// Starts it on a thread of its own: it outlives the runtime of the test that asks for it first, and its containers
    /// end with that thread.
    pub(crate) async fn new(control_plane: &ControlPlane) -> Result<Self, Error> {
        let what = "Starting the kubelet stand-in";
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::process(what))?;
        let folder = control_plane.folder().join("kubelet");
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let tls = log_server::acceptor(control_plane.kubelet_identity(), control_plane.certificate_authority())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::process(what))?;
        listener.set_nonblocking(true).map_err(Error::process(what))?;
        let port = listener.local_addr().map_err(Error::process(what))?.port();
        node::register(&control_plane.client()?, port).await?;
        let shared = {
            let _entered = runtime.enter();
            Arc::new(Shared {
                client: control_plane.client()?,
                authority: control_plane.certificate_authority().to_owned(),
                api_server_port: control_plane.port(),
                folder,
                images: Mutex::default(),
                images_changed: Notify::new(),
                workers: Mutex::default(),
            })
        };
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(Error::process(what))?
        };
        let serve = log_server::serve(listener, tls, shared.clone());
        let follow = pods::follow(shared.clone());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("kubelet".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = serve => {}
                    () = follow => {}
                }
            });
        });
        let thread = thread.map_err(Error::process(what))?;
        Ok(Self { kubelet: Kubelet { shared }, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn kubelet(&self) -> Kubelet {
        self.kubelet.clone()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        lock(&self.kubelet.shared.workers).values().for_each(|worker| worker.kill_processes());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that has panicked has ended too.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

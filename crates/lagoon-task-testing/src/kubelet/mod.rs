//! A stand-in for a kubelet: the containers of pods as processes of this machine.

mod clock;
mod container;
mod environment;
mod launch;
mod life;
mod log;
mod log_query;
mod log_server;
mod node;
mod object;
mod pods;
mod process;
mod shared;
mod sources;
mod status;
mod volumes;
mod worker;
mod workers;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::sync::oneshot;

pub(crate) use launch::Launch;
pub(crate) use process::CONTAINER_ROOT;
pub(crate) use status::ContainerState;
pub(crate) use volumes::token;
pub(crate) use worker::Worker;

use crate::control_plane::Servers;
use crate::error::Error;
use crate::program::Program;
use shared::{Image, Shared};
use workers::Workers;

/// What a kubelet says of a pod that it evicts.
const EVICTED: &str = "The node was low on resource: memory.";

/// A stand-in for a kubelet, with as much of the scheduler as it needs. A handle: its clones are the same one.
///
/// Every pod of the control plane whose images have been added is bound to its node and runs: containers as
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
    workers: Arc<Workers>,
}

impl Kubelet {
    /// Containers of this image run this program, also those of pods that wait already. As in Kubernetes the container's
    /// `command` takes the program's place, and `args` are its arguments.
    pub fn add_image(&self, image: impl Into<String>, program: impl Into<Program>) {
        self.shared.add_image(image.into(), Image { program: Some(program.into()), launch: None });
    }

    /// Containers of this image never start: it cannot be pulled.
    pub fn add_broken_image(&self, image: impl Into<String>) {
        self.shared.add_image(image.into(), Image { program: None, launch: None });
    }

    /// The image of a task of the launcher.
    pub(crate) fn add_task(&self, image: String, program: Program, launch: Arc<Launch>) {
        self.shared.add_image(image, Image { program: Some(program), launch: Some(launch) });
    }

    /// Forgets an image.
    pub(crate) fn remove_image(&self, image: &str) {
        self.shared.remove_image(image);
    }

    /// The worker of this very pod, while there is one.
    pub(crate) fn worker_of(&self, pod: &Pod) -> Option<Arc<Worker>> {
        self.workers.get(&pod.uid()?)
    }

    /// Evicts a pod that runs here, as a kubelet does whose node is low on memory; waits until its containers have ended
    /// and its status says so.
    pub async fn evict(&self, namespace: &str, pod_name: &str) -> Result<(), Error> {
        let worker = self.workers.find(namespace, pod_name).filter(|worker| !worker.states().borrow().is_over);
        let not_running = || Error::NotRunning { namespace: namespace.to_owned(), pod: pod_name.to_owned() };
        worker.ok_or_else(not_running)?.evict(EVICTED).await;
        Ok(())
    }
}

/// A kubelet stand-in that has been started; it ends, and its containers with it, when this is dropped.
pub(crate) struct Started {
    kubelet: Kubelet,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Started {
    /// Starts it on a separate thread: it outlives the runtime of the test that asks for it first, and its containers
    /// end with that thread.
    pub(crate) async fn new(servers: &Servers) -> Result<Self, Error> {
        let what = "Starting the kubelet stand-in";
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::process(what))?;
        let folder = servers.folder().join("kubelet");
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let tls = log_server::acceptor(servers.kubelet_identity(), servers.certificate_authority())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::process(what))?;
        listener.set_nonblocking(true).map_err(Error::process(what))?;
        let port = listener.local_addr().map_err(Error::process(what))?.port();
        node::register(&servers.client()?, port).await?;
        let shared = {
            let _entered = runtime.enter();
            let (client, authority) = (servers.client()?, servers.certificate_authority().to_owned());
            Arc::new(Shared::new(client, authority, servers.port(), folder))
        };
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(Error::process(what))?
        };
        let workers = Arc::<Workers>::default();
        let serve = log_server::serve(listener, tls, workers.clone());
        let follow = pods::follow(shared.clone(), workers.clone());
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
        Ok(Self { kubelet: Kubelet { shared, workers }, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn kubelet(&self) -> Kubelet {
        self.kubelet.clone()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.kubelet.workers.kill_processes();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that has panicked has ended too.
            let _ = thread.join();
        }
    }
}

//! A container as a process of this machine.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use k8s_openapi::api::core::v1::{Container, Pod};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Command;

use crate::kubelet::environment::{Variables, expand};
use crate::kubelet::launch::Launch;
use crate::kubelet::volumes::Mount;
use crate::program::Program;

/// Makes a container's root; see there.
pub(crate) const CONTAINER_ROOT: &str = include_str!("container_root.sh");

/// Where a container leaves its last word, unless its pod says otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// All that a process is made from.
pub(super) struct Plan<'a> {
    pub pod: &'a Pod,
    pub container: &'a Container,
    pub program: &'a Program,
    pub launch: Option<&'a Launch>,
    pub variables: Variables,
    pub mounts: Vec<Mount>,
    /// The pod's own folder.
    pub folder: &'a Path,
}

/// Whom a container runs as.
#[derive(Debug, PartialEq, Eq)]
struct User {
    id: i64,
    group: i64,
    other_groups: Vec<i64>,
}

impl Plan<'_> {
    /// The command that becomes the container's program. It is killed when the thread that starts it ends.
    pub(super) fn command(&self) -> io::Result<Command> {
        let mut command = match (self.program, self.launch) {
            (Program::Container(name), launch) => self.in_container(name, launch),
            (Program::Binary(path), Some(launch)) => self.beside_its_mounts(path, launch)?,
            (Program::Binary(path), None) => self.among_its_mounts(path)?,
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        Ok(command)
    }

    /// A task of the launcher, which gets the place of its mounts with `--root`. It runs as whoever runs the test.
    fn beside_its_mounts(&self, path: &Path, launch: &Launch) -> io::Result<Command> {
        let root = self.folder.join("root");
        for mount in &self.mounts {
            let target = root.join(mount.target.trim_start_matches('/'));
            fs::create_dir_all(target.parent().unwrap_or(&root))?;
            symlink(&mount.source, target)?;
        }
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(path).arg("--root").arg(root).args(&launch.arguments);
        command.env_clear().envs(self.variables.clone());
        Ok(command)
    }

    /// In a separate root, with the mounts at their places.
    fn among_its_mounts(&self, path: &Path) -> io::Result<Command> {
        let root = self.folder.join("root").join(&self.container.name);
        fs::create_dir_all(&root)?;
        let user = User::of(self.container, self.pod);
        let is_root = fs::metadata("/proc/self")?.uid() == 0;
        let mut command = Command::new("unshare");
        if !is_root {
            command.args(["--user", "--keep-caps"]);
            command.arg(format!("--map-user={}", user.id)).arg(format!("--map-group={}", user.group));
        }
        command.args(["--mount", "--propagation", "private", "--", "/bin/sh", "-c", CONTAINER_ROOT, "container_root"]);
        command.arg(root).arg(self.container.working_dir.as_deref().unwrap_or("/"));
        for mount in &self.mounts {
            command.arg(&mount.source).arg(&mount.target).arg(if mount.read_only { "ro" } else { "rw" });
        }
        command.args(["--", "setpriv", "--pdeathsig", "KILL", "--inh-caps=-all", "--ambient-caps=-all"]);
        if is_root {
            command.arg(format!("--reuid={}", user.id)).arg(format!("--regid={}", user.group));
            command.arg(if user.other_groups.is_empty() {
                "--clear-groups".to_owned()
            } else {
                user.groups_argument()
            });
        }
        // The variables come last: those of the container are not those that it is made with.
        command.args(["--", "env", "-i"]);
        command.args(self.variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.args(self.command_line(path.as_os_str().to_owned()));
        Ok(command)
    }

    /// In a container that buildah has made.
    fn in_container(&self, name: &str, launch: Option<&Launch>) -> Command {
        let user = User::of(self.container, self.pod);
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "run", "--isolation", "chroot", "--cap-drop", "ALL"]);
        command.arg("--user").arg(format!("{}:{}", user.id, user.group));
        if let Some(folder) = &self.container.working_dir {
            command.arg("--workingdir").arg(folder);
        }
        for mount in &self.mounts {
            let access = if mount.read_only { "ro" } else { "rw" };
            command.arg("-v").arg(format!("{}:{}:{access}", mount.source.display(), mount.target));
        }
        for (name, value) in &self.variables {
            command.arg("-e").arg(format!("{name}={value}"));
        }
        command.args([name, "--"]);
        match launch {
            Some(launch) => command.arg("/task").args(&launch.arguments),
            None => command.args(self.command_line("/task".into())),
        };
        command
    }

    /// The container's `command` in place of the program, and its `args`.
    fn command_line(&self, program: OsString) -> Vec<OsString> {
        let expanded = |text: &String| OsString::from(expand(text, &self.variables));
        let command = self.container.command.iter().flatten().map(expanded);
        let mut line: Vec<OsString> = command.collect();
        if line.is_empty() {
            line.push(program);
        }
        line.extend(self.container.args.iter().flatten().map(expanded));
        line
    }
}

impl User {
    /// As the container's and the pod's `securityContext` say; root where they say nothing.
    fn of(container: &Container, pod: &Pod) -> Self {
        let own = container.security_context.clone().unwrap_or_default();
        let shared = pod.spec.as_ref().and_then(|spec| spec.security_context.clone()).unwrap_or_default();
        Self {
            id: own.run_as_user.or(shared.run_as_user).unwrap_or_default(),
            group: own.run_as_group.or(shared.run_as_group).unwrap_or_default(),
            other_groups: shared.fs_group.into_iter().chain(shared.supplemental_groups.unwrap_or_default()).collect(),
        }
    }

    fn groups_argument(&self) -> String {
        let groups: Vec<String> = self.other_groups.iter().map(ToString::to_string).collect();
        format!("--groups={}", groups.join(","))
    }
}

/// Makes the file for a container's last word, and says where the container has it.
pub(super) fn termination_log(container: &Container, folder: &Path) -> io::Result<Mount> {
    let source = termination_file(container, folder);
    fs::create_dir_all(source.parent().unwrap_or(folder))?;
    fs::write(&source, "")?;
    fs::set_permissions(&source, fs::Permissions::from_mode(0o666))?;
    let target = container.termination_message_path.clone().unwrap_or_else(|| TERMINATION_LOG.to_owned());
    Ok(Mount { source, target, read_only: false })
}

/// The file for a container's last word.
pub(super) fn termination_file(container: &Container, folder: &Path) -> PathBuf {
    folder.join("termination").join(&container.name)
}

/// Asks a process to end. One that has ended is not asked.
pub(super) fn terminate(process: u32) {
    if let Some(process) = id(process) {
        let _ = kill_process(process, Signal::TERM);
    }
}

/// Kills a process and all of its group. What has ended is not killed.
pub(super) fn kill(process: u32) {
    if let Some(process) = id(process) {
        let _ = kill_process_group(process, Signal::KILL);
    }
}

fn id(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}

#[cfg(test)]
mod tests;

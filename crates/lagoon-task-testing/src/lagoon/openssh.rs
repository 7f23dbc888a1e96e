//! Where OpenSSH's server and the library that gives it users come from: this machine, or its distribution's packages.
//!
//! A machine for development seldom has a server installed. The bench then downloads the packages with the
//! distribution's own tool, which checks their signatures, and unpacks them into its cache: that takes no rights.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tower::BoxError;

use crate::cache::{CacheFolder, say};
use crate::error::{Error, context};

const SSHD: &str = "usr/sbin/sshd";
const SSH_KEYGEN: &str = "ssh-keygen";

/// Makes names of users that the machine does not have known to one process.
const NAMES: &str = "libnss_wrapper.so";

/// The folder of the unpacked packages in the cache's.
const UNPACKED: &str = "root";

/// Programs that newer servers start, and the settings that name them.
const HELPERS: [(&str, &str); 2] =
    [("SshdSessionPath", "usr/lib/openssh/sshd-session"), ("SshdAuthPath", "usr/lib/openssh/sshd-auth")];

/// The folders of a distribution that hold libraries, or folders of a processor's libraries.
const LIBRARIES: [&str; 4] = ["lib", "lib64", "usr/lib", "usr/lib64"];

/// The exit code of a program whose libraries are not found.
const CANNOT_LOAD: i32 = 127;

/// The programs of OpenSSH that the bench starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OpenSsh {
    sshd: PathBuf,
    ssh_keygen: PathBuf,
    /// Folders of libraries that are not installed; may be empty.
    libraries: OsString,
    /// Settings for `sshd_config` that these programs need; may be empty.
    pub settings: String,
}

/// The packages that this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing(Vec<&'static str>);

/// Why packages could not be downloaded.
#[derive(Debug, thiserror::Error)]
enum NoPackages {
    #[error("\"{program}\" could not be started ({source})")]
    NoProgram { program: String, source: std::io::Error },
    #[error("{}", format!("{source}\n{warning}").trim_end())]
    Warned { source: BoxError, warning: String },
}

impl OpenSsh {
    /// Finds what is installed, and downloads once what is not.
    pub(super) fn get() -> Result<Self, Error> {
        let installed = Self { sshd: Path::new("/").join(SSHD), ssh_keygen: SSH_KEYGEN.into(), ..Self::default() };
        let missing = installed.missing();
        if missing.0.is_empty() {
            return Ok(installed);
        }
        let folder = CacheFolder::open(&missing.0.join("+"))?;
        if !folder.path().join(UNPACKED).is_dir() {
            say(&format!("Getting {} for the SSH stand-in, once, kept in {}.", missing, folder.path().display()));
            missing.download("apt-get", &folder).map_err(|reason| missing.error(reason))?;
        }
        let unpacked = Self::below(&folder.path().join(UNPACKED))?;
        // What is installed wins.
        let has = |package| !missing.0.contains(&package);
        let found = Self {
            sshd: if has("openssh-server") { installed.sshd } else { unpacked.sshd },
            ssh_keygen: if has("openssh-client") { installed.ssh_keygen } else { unpacked.ssh_keygen },
            settings: if has("openssh-server") { installed.settings } else { unpacked.settings },
            libraries: unpacked.libraries,
        };
        match found.missing() {
            Missing(left) if left.is_empty() => Ok(found),
            left => Err(left.error(format!("{} does not hold what is needed; delete it", folder.path().display()))),
        }
    }

    /// What is in a folder of unpacked packages.
    fn below(root: &Path) -> Result<Self, Error> {
        let mut settings = String::new();
        for (setting, path) in HELPERS.map(|(setting, path)| (setting, root.join(path))) {
            if path.is_file() {
                settings.extend([setting, " ", &path.display().to_string(), "\n"]);
            }
        }
        let libraries = std::env::join_paths(library_folders(root))
            .map_err(|error| Missing(Vec::new()).error(context(root.display().to_string())(error)))?;
        Ok(Self { sshd: root.join(SSHD), ssh_keygen: root.join("usr/bin").join(SSH_KEYGEN), libraries, settings })
    }

    /// `sshd` as a command, with a library that reads users from `NSS_WRAPPER_PASSWD`.
    pub(super) fn sshd(&self) -> Command {
        let mut command = self.with_libraries(&self.sshd);
        command.env("LD_PRELOAD", NAMES);
        command
    }

    /// `ssh-keygen` as a command.
    pub(super) fn ssh_keygen(&self) -> Command {
        self.with_libraries(&self.ssh_keygen)
    }

    /// The client, which the bench needs for its own tests.
    #[cfg(test)]
    pub(super) fn ssh(&self) -> Command {
        self.with_libraries(&self.ssh_keygen.with_file_name("ssh"))
    }

    fn with_libraries(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if !self.libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", &self.libraries);
        }
        command
    }

    /// The packages whose programs are not there, or do not start.
    fn missing(&self) -> Missing {
        // They print what they are and end, or an error about the option: they start, and find their libraries.
        let starts = |mut command: Command, option: &str| {
            let output = command.arg(option).stdin(Stdio::null()).output();
            output.is_ok_and(|output| output.status.code() != Some(CANNOT_LOAD))
        };
        let names = {
            let mut command = self.with_libraries(Path::new("true"));
            // The loader complains about a library that it does not find, and goes on.
            command.env("LD_PRELOAD", NAMES).output().is_ok_and(|output| output.stderr.is_empty())
        };
        let parts = [
            ("openssh-server", starts(self.with_libraries(&self.sshd), "-V")),
            ("libnss-wrapper", names),
            ("openssh-client", starts(self.ssh_keygen(), "-?")),
        ];
        Missing(parts.into_iter().filter(|(_, is_there)| !is_there).map(|(package, _)| package).collect())
    }
}

/// The folders below `root` that hold libraries.
fn library_folders(root: &Path) -> BTreeSet<PathBuf> {
    let folders = LIBRARIES.map(|name| root.join(name));
    let children = folders.iter().flat_map(|folder| entries(folder));
    let all = folders.iter().cloned().chain(children);
    all.filter(|folder| entries(folder).any(|file| is_library(&file))).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn is_library(file: &Path) -> bool {
    let name = file.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    name.starts_with("lib") && name.contains(".so")
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

impl Missing {
    fn error(&self, reason: impl Into<BoxError>) -> Error {
        Error::Packages { packages: self.to_string(), reason: reason.into() }
    }

    /// Downloads and unpacks the packages, and what they need that is not installed. `apt` is the distribution's tool.
    fn download(&self, apt: &str, folder: &CacheFolder) -> Result<(), BoxError> {
        let unfinished = folder.unfinished()?;
        let own_lists = Apt { program: apt, state: Some(unfinished.path().join("apt")) };
        let installed_lists = Apt { program: apt, state: None };
        // The machine's lists may be missing, or so old that what they name is no longer served.
        let files = installed_lists.download(self, &unfinished.path().join("first")).or_else(|_| {
            let warning = own_lists.update()?;
            let downloaded = own_lists.download(self, &unfinished.path().join("second"));
            downloaded.map_err(|source| BoxError::from(NoPackages::Warned { source, warning }))
        })?;
        let root = unfinished.path().join(UNPACKED);
        for file in files {
            run(Command::new("dpkg-deb").arg("-x").arg(file).arg(&root))?;
        }
        let kept = folder.path().join(UNPACKED);
        Ok(fs::rename(&root, &kept).map_err(Error::file(kept))?)
    }
}

/// `apt-get` without rights: nothing is written outside the bench's folders.
struct Apt<'a> {
    program: &'a str,
    /// A folder for lists of packages in place of the machine's.
    state: Option<PathBuf>,
}

impl Apt<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(["-q", "-o", "Debug::NoLocking=1", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]);
        if let Some(state) = &self.state {
            for (option, path) in [("Dir::State", "state"), ("Dir::Cache", "cache"), ("Dir::State::lists", "lists")] {
                command.arg("-o").arg(format!("{option}={}", state.join(path).display()));
            }
            command.args(["-o", "Dir::State::status=/var/lib/dpkg/status"]);
        }
        command
    }

    /// Gets the lists of packages, whose signatures are checked. Lists that cannot be reached are no error of `apt-get`,
    /// but a warning, of which the first line is answered; it is empty where there is none.
    fn update(&self) -> Result<String, BoxError> {
        for path in self
            .state
            .iter()
            .flat_map(|state| ["state", "cache/archives/partial", "lists/partial"].map(|path| state.join(path)))
        {
            fs::create_dir_all(&path).map_err(Error::file(path))?;
        }
        let updated = run(self.command().arg("update"))?;
        Ok(String::from_utf8_lossy(&updated.stderr).lines().next().unwrap_or_default().to_owned())
    }

    /// Downloads the packages into a folder, with those that they need and that are not installed; answers the files.
    fn download(&self, missing: &Missing, folder: &Path) -> Result<Vec<PathBuf>, BoxError> {
        let plan = run(self.command().args(["--simulate", "--no-install-recommends", "install"]).args(&missing.0))?;
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let packages = to_install(&String::from_utf8_lossy(&plan.stdout));
        // A package that lacks its files counts as installed.
        let planned = |name: &&&str| packages.iter().any(|package| package.split('=').next() == Some(**name));
        let unplanned = missing.0.iter().filter(|name| !planned(name));
        run(self.command().arg("download").args(&packages).args(unplanned).current_dir(folder))?;
        Ok(entries(folder).filter(|file| file.extension().is_some_and(|extension| extension == "deb")).collect())
    }
}

/// The packages and versions of a simulated installation, whose lines are like `Inst libwrap0 (7.6.q-32 Debian:12 ...)`.
fn to_install(plan: &str) -> Vec<String> {
    let package = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let (_, version) = rest.split_once('(')?;
        Some(format!("{name}={}", version.split(' ').next()?))
    };
    plan.lines().filter_map(package).collect()
}

fn run(command: &mut Command) -> Result<Output, BoxError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = match output {
        Ok(output) if output.status.success() => return Ok(output),
        Ok(output) => output,
        Err(source) => return Err(NoPackages::NoProgram { program, source }.into()),
    };
    let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{program} ended with {}: {errors}", output.status).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_a_plan_have_their_versions() {
        let plan = "Reading package lists...\n\
            Inst openssh-client [1:9.2p1-2+deb12u6] (1:9.2p1-2+deb12u10 Debian:12.15/oldstable [amd64])\n\
            Inst libwrap0 (7.6.q-32 Debian:12.15/oldstable [amd64])\n\
            Conf libwrap0 (7.6.q-32 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(to_install(plan), ["openssh-client=1:9.2p1-2+deb12u10", "libwrap0=7.6.q-32"]);
    }

    #[test]
    fn folders_with_libraries_are_found_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        for file in
            ["usr/lib/x86_64-linux-gnu/libwrap.so.0", "usr/lib/openssh/sftp-server", "lib/libone.so", "usr/sbin/sshd"]
        {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found: Vec<_> = library_folders(root.path()).into_iter().collect();
        assert_eq!(found, [root.path().join("lib"), root.path().join("usr/lib/x86_64-linux-gnu")]);
    }

    #[test]
    fn error_names_the_command_that_installs_the_packages() {
        let cache = tempfile::tempdir().unwrap();
        let folder = CacheFolder::open_in(cache.path(), "ssh").unwrap();
        let missing = Missing(vec!["openssh-server", "libnss-wrapper"]);
        let reason = missing.download("no-such-apt-get", &folder).unwrap_err();
        let error = missing.error(reason);
        let text = error.to_string();
        assert!(text.contains("\"no-such-apt-get\" could not be started"), "{text}");
        assert!(text.ends_with("Install them: apt-get install openssh-server libnss-wrapper"), "{text}");
        assert!(!folder.path().join(UNPACKED).exists());
        let mut sources = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        assert!(sources.any(<dyn std::error::Error>::is::<std::io::Error>), "{error:?}");
    }
}

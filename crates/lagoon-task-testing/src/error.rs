//! What can go wrong on the bench.

use std::path::PathBuf;

use tower::BoxError;

/// An error of the test bench; its text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server's or etcd's binary could not be found.
    #[error("No kube-apiserver and etcd: {0}")]
    Binaries(#[source] BoxError),
    /// There is no folder for what is built or downloaded once.
    #[error("There is no cache: neither XDG_CACHE_HOME nor HOME is set. Set one of them.")]
    NoCache,
    /// A program could not be built from its Go modules.
    #[error("{program} could not be built: {reason}")]
    Build {
        /// The program, like `kube-apiserver`.
        program: String,
        /// What Go said, or why it could not be started.
        reason: String,
        /// The error behind the reason, if it is one.
        source: Option<BoxError>,
    },
    /// Packages of the distribution are missing and could not be downloaded.
    #[error(
        "{packages}: not installed, and could not be downloaded: {reason}. Install them: apt-get install {packages}"
    )]
    Packages {
        /// Their names, separated by spaces.
        packages: String,
        /// Why they could not be downloaded.
        #[source]
        reason: BoxError,
    },
    /// A server did not come up.
    #[error("{server} did not become ready: {reason}. The last lines of its log:\n{log}")]
    NotReady {
        /// The program, like `kube-apiserver`.
        server: &'static str,
        /// Why it is given up on.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A process could not be started, watched or ended.
    #[error("{what}: {source}")]
    Process {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("A certificate could not be made: {0}")]
    Certificate(#[source] BoxError),
    /// A request of the bench itself failed.
    #[error("{what}: {source}")]
    Request {
        /// What was tried.
        what: String,
        /// What the API server or the connection said.
        source: Box<kube::Error>,
    },
    /// A pod is to be evicted that the kubelet stand-in does not run.
    #[error(
        "Pod {pod} in namespace {namespace} cannot be evicted: the kubelet stand-in does not run it. It has ended, or one \
         of its images has not been added."
    )]
    NotRunning {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
    },
    /// A manifest could not be understood.
    #[error("A manifest could not be applied: {0}")]
    Manifest(#[source] BoxError),
    /// Something that was waited for did not happen.
    #[error("Timed out waiting for {what}. The log so far:\n{log}")]
    Waited {
        /// What was waited for.
        what: String,
        /// The task's log.
        log: String,
    },
}

/// An error, and what was tried.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub(crate) struct WithContext {
    what: String,
    source: BoxError,
}

/// Says what was tried.
pub(crate) fn context<E: Into<BoxError>>(what: impl Into<String>) -> impl FnOnce(E) -> WithContext {
    let what = what.into();
    move |source| WithContext { what, source: source.into() }
}

impl Error {
    pub(crate) fn build(program: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Build { program: program.into(), reason: reason.into(), source: None }
    }

    pub(crate) fn build_panicked(program: &str) -> impl FnOnce(tokio::task::JoinError) -> Self {
        move |error| Self::Build { program: program.into(), reason: error.to_string(), source: Some(error.into()) }
    }

    pub(crate) fn certificate(source: rcgen::Error) -> Self {
        Self::Certificate(source.into())
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn manifest<E: Into<BoxError>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Manifest(context(what)(source).into())
    }

    pub(crate) fn process(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Process { what, source }
    }

    pub(crate) fn request(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Request { what, source: Box::new(source) }
    }
}

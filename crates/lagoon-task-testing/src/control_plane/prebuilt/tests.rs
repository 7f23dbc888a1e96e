//! Downloads from a local server that plays the index and the archives.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;
use crate::control_plane::binaries::newest_in_store;

/// What the server does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Serves,
    ServesAnotherMinor,
    ServesOtherBytes,
    ServesNoApiServer,
    AnswersNotFound,
    Hangs,
    Trickles,
}

/// Serves until the test's process ends.
struct Index {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Index {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (archive, hash) = archive(manner);
        let version = if manner == Manner::ServesAnotherMinor { "1.36.9" } else { "1.37.9" };
        let index = index(&url, version, &hash);
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                if manner == Manner::Hangs {
                    open.push(stream);
                } else {
                    let _ = answer(&stream, manner, index.as_bytes(), &archive);
                }
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: &TcpStream, manner: Manner, index: &[u8], archive: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let path = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let status = if manner == Manner::AnswersNotFound { "404 Not Found" } else { "200 OK" };
    let body = if path.contains("/archive") { archive } else { index };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    if manner == Manner::Trickles && path.contains("/archive") {
        return trickle(stream, body);
    }
    stream.write_all(body)
}

/// Sends it in 40 parts within 4 s.
fn trickle(mut stream: &TcpStream, body: &[u8]) -> std::io::Result<()> {
    for part in body.chunks(body.len().div_ceil(40)) {
        stream.write_all(part)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn index(url: &str, version: &str, hash: &str) -> String {
    let archives = ["amd64", "arm64"].map(|architecture| {
        format!(
            "    envtest-v{version}-linux-{architecture}.tar.gz:\n      hash: {hash}\n      selfLink: {url}/archive\n"
        )
    });
    format!("releases:\n  v{version}:\n{}", archives.concat())
}

/// An archive as controller-tools publishes it, and the SHA-512 that the index gives for it.
fn archive(manner: Manner) -> (Vec<u8>, String) {
    let folder = tempfile::tempdir().unwrap();
    let binaries = folder.path().join("controller-tools/envtest");
    fs::create_dir_all(&binaries).unwrap();
    fs::write(binaries.join("etcd"), "etcd").unwrap();
    if manner != Manner::ServesNoApiServer {
        fs::write(binaries.join("kube-apiserver"), "kube-apiserver").unwrap();
    }
    let run = |script: &str| {
        let output = Command::new("sh").args(["-c", script]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run("tar czf archive.tar.gz controller-tools");
    let hash = run("sha512sum archive.tar.gz").split(' ').next().unwrap().to_owned();
    if manner == Manner::ServesOtherBytes {
        run("echo other >> controller-tools/envtest/etcd && tar czf archive.tar.gz controller-tools");
    }
    (fs::read(folder.path().join("archive.tar.gz")).unwrap(), hash)
}

/// A cache of the test's own.
fn cache() -> (TempDir, CacheFolder) {
    let cache = tempfile::tempdir().unwrap();
    let folder = CacheFolder::open_in(cache.path(), "kubernetes").unwrap();
    (cache, folder)
}

fn prebuilt<'a>(folder: &'a CacheFolder, url: &str) -> Prebuilt<'a> {
    Prebuilt { index: Some(url.to_owned()), ..Prebuilt::like("v1.37.2", folder) }
}

fn download(prebuilt: &Prebuilt<'_>) -> Result<(), BoxError> {
    prebuilt.download(|store| newest_in_store(store).is_some())
}

/// Why a download is refused.
fn refusal(prebuilt: &Prebuilt<'_>) -> String {
    download(prebuilt).unwrap_err().to_string()
}

/// Nothing but the lock and the memory of the refusal is left.
fn assert_nothing_kept(folder: &CacheFolder) {
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", REFUSAL]);
}

#[test]
fn download_of_the_same_minor_is_kept() {
    let index = Index::start(Manner::Serves);
    let (_cache, folder) = cache();
    let prebuilt = prebuilt(&folder, &index.url);
    download(&prebuilt).unwrap();
    let found = newest_in_store(&prebuilt.store()).unwrap();
    assert!(found.etcd.ends_with(format!("1.37.9-linux-{}/etcd", architecture())), "{found:?}");
    assert_eq!(fs::read_to_string(found.kube_apiserver).unwrap(), "kube-apiserver");
    assert!(!folder.path().join(REFUSAL).exists());
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[test]
fn download_with_a_wrong_checksum_is_refused() {
    let index = Index::start(Manner::ServesOtherBytes);
    let (_cache, folder) = cache();
    let reason = refusal(&prebuilt(&folder, &index.url));
    assert!(reason.contains("checksum mismatch"), "{reason}");
    assert_nothing_kept(&folder);
}

#[test]
fn download_without_an_api_server_is_refused() {
    let index = Index::start(Manner::ServesNoApiServer);
    let (_cache, folder) = cache();
    assert_eq!(refusal(&prebuilt(&folder, &index.url)), "the archive lacks kube-apiserver or etcd");
    assert_nothing_kept(&folder);
}

#[test]
fn index_without_the_minor_version_is_refused() {
    let index = Index::start(Manner::ServesAnotherMinor);
    let (_cache, folder) = cache();
    let reason = refusal(&prebuilt(&folder, &index.url));
    assert!(reason.contains("unable to find a version"), "{reason}");
    assert_nothing_kept(&folder);
}

#[test]
fn refusal_is_remembered_for_a_day() {
    let index = Index::start(Manner::AnswersNotFound);
    let (_cache, folder) = cache();
    let prebuilt = prebuilt(&folder, &index.url);
    let reason = refusal(&prebuilt);
    assert!(reason.contains("404 Not Found"), "{reason}");
    let asked = index.asked();
    assert!(asked > 0);

    let again = refusal(&prebuilt);
    assert!(again.contains("less than a day ago") && again.contains(&reason), "{again}");
    assert_eq!(index.asked(), asked);

    let remembered = File::options().write(true).open(folder.path().join(REFUSAL)).unwrap();
    remembered.set_modified(SystemTime::now() - REMEMBERED - Duration::from_mins(1)).unwrap();
    assert_eq!(refusal(&prebuilt), reason);
    assert!(index.asked() > asked);
    assert_nothing_kept(&folder);
}

#[test]
fn refused_connection_is_an_error() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (_cache, folder) = cache();
    let reason = refusal(&prebuilt(&folder, &url));
    assert!(reason.contains("connection refused"), "{reason}");
    assert_nothing_kept(&folder);
}

#[test]
fn silent_server_is_given_up_on() {
    let index = Index::start(Manner::Hangs);
    let (_cache, folder) = cache();
    let prebuilt = Prebuilt { silence: Duration::from_millis(500), ..prebuilt(&folder, &index.url) };
    assert_eq!(refusal(&prebuilt), "only 0 bytes came in 0.5 s");
    assert_nothing_kept(&folder);
}

#[test]
fn trickling_server_is_given_up_on() {
    let index = Index::start(Manner::Trickles);
    let (_cache, folder) = cache();
    let prebuilt = Prebuilt { silence: Duration::from_secs(2), ..prebuilt(&folder, &index.url) };
    let reason = refusal(&prebuilt);
    assert!(reason.contains("bytes came in 2 s"), "{reason}");
    assert_nothing_kept(&folder);
}

#[test]
fn slow_download_that_makes_progress_is_kept() {
    let index = Index::start(Manner::Trickles);
    let (_cache, folder) = cache();
    let prebuilt = Prebuilt { silence: Duration::from_secs(3), progress: 1, ..prebuilt(&folder, &index.url) };
    download(&prebuilt).unwrap();
    assert!(newest_in_store(&prebuilt.store()).is_some());
}

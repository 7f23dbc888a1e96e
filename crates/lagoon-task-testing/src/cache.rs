//! The cache of what is built or downloaded once for this machine, outside the repository.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A folder of the cache. Other processes that open it wait until this is dropped: the first fills it, the others find.
pub(crate) struct CacheFolder {
    path: PathBuf,
    _lock: File,
}

impl CacheFolder {
    /// Opens or makes a folder of this user's cache.
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        let cache = home("XDG_CACHE_HOME", ".cache").ok_or(Error::NoCache)?;
        Self::open_in(&cache.join("lagoon-task-testing"), name)
    }

    /// The same in another cache than the user's.
    pub(crate) fn open_in(cache: &Path, name: &str) -> Result<Self, Error> {
        let path = cache.join(name);
        fs::create_dir_all(&path).map_err(Error::file(&path))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(Error::file(&lock_path))?;
        lock.lock().map_err(Error::file(&lock_path))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file and creates its folders.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(Error::file(&path))?;
        fs::write(&path, text).map_err(Error::file(&path))
    }

    /// A folder in this one for what is not complete yet. It is removed when it is dropped.
    pub(crate) fn unfinished(&self) -> Result<tempfile::TempDir, Error> {
        let folder = tempfile::Builder::new().prefix("unfinished-").tempdir_in(&self.path);
        folder.map_err(Error::file(&self.path))
    }
}

/// A short name for these texts, the same for every user and every release of Rust (FNV-1a). It names a folder by what
/// its content is made from, so that a change of any text leaves an old content alone.
pub(crate) fn fingerprint(texts: &[&str]) -> String {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Prints a line past the test harness, which would hold it back until the test has ended.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A folder of the user's, named by a variable or below the home folder.
pub(crate) fn home(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_changes_with_each_text_and_where_they_part() {
        let all = [fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]), fingerprint(&["ab", "d"]), fingerprint(&[])];
        for (place, one) in all.iter().enumerate() {
            assert!(all.iter().skip(place + 1).all(|other| other != one), "{all:?}");
        }
        // FNV-1a's own starting value: the names of folders stay the same from one release to the next.
        assert_eq!(fingerprint(&[]), "cbf29ce484222325");
    }

    #[test]
    fn unfinished_folder_is_removed_when_dropped() {
        let cache = tempfile::tempdir().unwrap();
        let folder = CacheFolder::open_in(cache.path(), "one").unwrap();
        let unfinished = folder.unfinished().unwrap();
        let path = unfinished.path().to_owned();
        assert!(path.starts_with(folder.path()) && path.is_dir());
        drop(unfinished);
        assert!(!path.exists());
    }
}

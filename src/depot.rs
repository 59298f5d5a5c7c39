//! Checkpoints in a folder or in an S3-compatible bucket: objects that are written whole, and claims that are
//! created only where there is none.

use bytes::Bytes;
use dataflows::checkpoint::{Depot, DepotError};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Threads for calls of the file system.
const FILE_THREADS_MAX: usize = 2;

/// A store of one deployment's checkpoints.
pub(crate) struct ObjectDepot {
    store: Arc<dyn ObjectStore>,
    /// Where this deployment's objects begin.
    prefix: ObjectPath,
    /// Where they lie, in a folder.
    folder: Option<PathBuf>,
    /// The store, for messages.
    name: String,
    runtime: Runtime,
    /// Said with every failure: what may be its reason.
    hint: &'static str,
}

/// Where the environment has the keys of a bucket, one of which is enough to know that it was thought of.
const KEYS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
];

/// What is said where it has none: the address that is asked then means nothing to who forgot them.
const NO_KEYS: &str = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set (AWS_REGION and AWS_ENDPOINT_URL say \
                       where the bucket is), and without them the role of this machine is asked for: ";

/// And where the address is one that is not asked unless that is allowed.
const NO_HTTP: &str = "AWS_ENDPOINT_URL is not https, which AWS_ALLOW_HTTP=true allows: ";

/// What is likely to be wrong with what the environment says of a bucket.
fn hint() -> &'static str {
    let value = |name: &str| std::env::var(name).unwrap_or_default();
    let is_open =
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT"].iter().any(|name| value(name).starts_with("http://"));
    if is_open && value("AWS_ALLOW_HTTP") != "true" {
        NO_HTTP
    } else if KEYS.iter().all(|key| std::env::var_os(key).is_none()) {
        NO_KEYS
    } else {
        ""
    }
}

/// In the names of files that the library writes aside and renames: that of the object, this, and a number.
const ASIDE: char = '#';

impl ObjectDepot {
    /// The store at `to`, a folder or `s3://bucket/prefix` (keys and endpoint from the environment, as the
    /// AWS tools name them), for a deployment of this name.
    ///
    /// # Errors
    /// Fails where the store cannot be named or made.
    pub fn open(to: &str, deployment: &str) -> Result<Self, DepotError> {
        let name = to.to_owned();
        let failed =
            |error: &dyn std::fmt::Display| DepotError { what: format!("{name}: {error}") };
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // Calls of the file system each take a thread, which keeps memory of its own: more of them write no faster.
        let runtime = runtime.enable_all().max_blocking_threads(FILE_THREADS_MAX).build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let (store, prefix): (Arc<dyn ObjectStore>, String) = match to.strip_prefix("s3://") {
            Some(rest) => {
                // The first run of a process installs it; another finds it there.
                let _there = rustls::crypto::ring::default_provider().install_default();
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
                (Arc::new(store.map_err(|error| failed(&error))?), prefix.to_owned())
            }
            None => {
                std::fs::create_dir_all(to).map_err(|error| failed(&error))?;
                let store = LocalFileSystem::new_with_prefix(to).map_err(|error| failed(&error))?;
                (Arc::new(store.with_fsync(true)), String::new())
            }
        };
        let prefix = ObjectPath::from(format!("{prefix}/{deployment}"));
        let folder = (!to.starts_with("s3://")).then(|| Path::new(to).join(deployment));
        let hint = if folder.is_none() { hint() } else { "" };
        Ok(ObjectDepot { store, prefix, folder, name, runtime, hint })
    }

    /// Removes what calls that were cut short left aside in a folder: whoever wrote it is gone, or was overtaken.
    ///
    /// # Errors
    /// Fails where the folder cannot be looked into.
    pub fn sweep(&self) -> Result<(), DepotError> {
        let failed = |error: std::io::Error| DepotError { what: format!("{}: {error}", self.name) };
        let mut folders: Vec<PathBuf> = self.folder.iter().cloned().collect();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if path.is_dir() {
                    folders.push(path);
                } else if name.contains(ASIDE) {
                    // One that is being renamed at this moment is none of them.
                    let _gone = std::fs::remove_file(&path);
                }
            }
        }
        Ok(())
    }

    /// Tries what runs need and looks do not: a store that cannot create only where there is none would let two
    /// runs write at once. The object that is tried stays: of runs that begin together each could otherwise remove
    /// the other's.
    ///
    /// # Errors
    /// Fails where nothing can be written, and refuses a store that writes over what is there.
    pub fn try_create(&self) -> Result<(), DepotError> {
        const PROBE: &str = "probe";
        if self.create(PROBE, b"first")? && self.create(PROBE, b"second")? {
            let what = format!(
                "{}: this store writes over an object that is to be created only where there is none, \
                 and without that two runs could write at once",
                self.name
            );
            return Err(DepotError { what });
        }
        Ok(())
    }

    fn path(&self, name: &str) -> ObjectPath {
        ObjectPath::from(format!("{}/{name}", self.prefix))
    }

    fn failed(&self, doing: &str, name: &str, error: &Error) -> DepotError {
        DepotError { what: format!("{}: {}{doing} {name}: {error}", self.name, self.hint) }
    }
}

impl Depot for ObjectDepot {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, DepotError> {
        let (path, payload) = (self.path(name), PutPayload::from(bytes.to_vec()));
        let options = PutOptions::from(PutMode::Create);
        match self.runtime.block_on(self.store.put_opts(&path, payload, options)) {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.failed("creating", name, &error)),
        }
    }

    fn put(&self, name: &str, bytes: Vec<Bytes>) -> Result<(), DepotError> {
        let (path, payload) = (self.path(name), bytes.into_iter().collect::<PutPayload>());
        match self.runtime.block_on(self.store.put(&path, payload)) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed("writing", name, &error)),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DepotError> {
        let path = self.path(name);
        let read = async { self.store.get(&path).await?.bytes().await };
        match self.runtime.block_on(read) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("reading", name, &error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError> {
        let (mut folders, mut names) = (vec![self.path(prefix)], Vec::new());
        while let Some(folder) = folders.pop() {
            let found = self.runtime.block_on(self.store.list_with_delimiter(Some(&folder)));
            let found = found.map_err(|error| self.failed("listing", prefix, &error))?;
            folders.extend(found.common_prefixes);
            let inside = |path: ObjectPath| {
                let inside: Vec<_> = path.prefix_match(&self.prefix)?.collect();
                Some(inside.iter().map(|part| part.as_ref()).collect::<Vec<_>>().join("/"))
            };
            names.extend(found.objects.into_iter().filter_map(|object| inside(object.location)));
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), DepotError> {
        let path = self.path(name);
        match self.runtime.block_on(self.store.delete(&path)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("removing", name, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_objects_and_creates_only_where_there_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("checkpoints").display().to_string();
        let depot = ObjectDepot::open(&to, "prod").expect("a depot");
        depot.try_create().expect("a store that creates");
        depot.try_create().expect("and did before");
        assert!(depot.create("seq/1", b"one").expect("a create"));
        assert!(!depot.create("seq/1", b"two").expect("a create"));
        depot.put("parts/1/2-3", vec![b"thr"[..].into(), b"ee"[..].into()]).expect("a put");
        depot.put("parts/1/2-3", vec![b"four"[..].into()]).expect("a put");
        assert_eq!(depot.read("seq/1").expect("a read").as_deref(), Some(&b"one"[..]));
        assert_eq!(depot.read("seq/2").expect("a read"), None);
        assert_eq!(depot.list("parts/").expect("a list"), ["parts/1/2-3"]);
        assert_eq!(depot.list("none/").expect("a list"), [""; 0]);
        let other = ObjectDepot::open(&to, "test").expect("a depot");
        assert_eq!(other.list("seq/").expect("a list"), [""; 0]);
        let aside = format!("{to}/prod/parts/1/2-4#1");
        std::fs::write(&aside, b"half").expect("a file");
        depot.sweep().expect("a folder");
        assert!(!Path::new(&aside).exists());
        assert_eq!(depot.list("parts/").expect("a list"), ["parts/1/2-3"]);
        depot.remove("seq/1").expect("a removal");
        depot.remove("seq/1").expect("a removal of nothing");
        assert_eq!(depot.list("seq/").expect("a list"), [""; 0]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let to = file.path().join("inside").display().to_string();
        let error = ObjectDepot::open(&to, "prod").err().expect("no depot").to_string();
        assert!(error.starts_with(&to), "{error}");
    }
}

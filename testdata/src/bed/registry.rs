//! A registry on loopback whose requests can be counted.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::Bed;
use super::process::{end_child, poll, succeed};

/// One request that the registry answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, `PUT`, …
    pub method: String,
    /// The path with its query, `/v2/small/blobs/sha256:…`.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The bytes of the body sent.
    pub bytes: u64,
}

impl Request {
    /// Whether this sent a blob (a layer or a config) to somebody.
    pub fn is_blob_pull(&self) -> bool {
        self.method == "GET" && self.path.contains("/blobs/") && matches!(self.status, 200 | 206)
    }

    fn parse(line: &str) -> Option<Request> {
        // Apache's combined form: HOST - - [TIME] "GET /path HTTP/1.1" STATUS BYTES "REFERER" "AGENT"
        let mut parts = line.split('"');
        let mut request = parts.nth(1)?.split(' ');
        let mut answer = parts.next()?.split_ascii_whitespace();
        Some(Request {
            method: request.next()?.to_owned(),
            path: request.next()?.to_owned(),
            status: answer.next()?.parse().ok()?,
            bytes: answer.next()?.parse().ok()?,
        })
    }
}

/// A docker-registry of its own. Dropped: stopped, its images deleted.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Registry {
    /// Starts one on a free port of 127.0.0.1.
    pub fn start(bed: &Bed) -> Registry {
        // The port may be taken by another between finding and using it: then the registry ends, and we try the next.
        (0..5).find_map(|_| Registry::try_start(bed)).expect("docker-registry starts")
    }

    fn try_start(bed: &Bed) -> Option<Registry> {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let folder =
            tempfile::Builder::new().prefix("fsck-bed-registry-").tempdir().expect("temporary folder");
        let config = folder.path().join("config.yml");
        let storage = folder.path().join("storage");
        let text = format!(
            "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: false}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            storage.display()
        );
        std::fs::write(&config, text).expect("registry config");
        let log = File::create(folder.path().join("log")).expect("registry log");
        let mut child = Command::new(bed.home().join("bin/docker-registry"))
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("descriptor"))
            .stderr(log)
            .spawn()
            .expect("docker-registry, which ci/setup unpacks");
        let up = poll(Duration::from_secs(30), || match child.try_wait() {
            Ok(None) => TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true),
            _ => Some(false),
        });
        let registry = Registry { child, folder, port };
        assert!(up.is_some(), "docker-registry does not answer: {}", registry.log());
        up.unwrap_or(false).then_some(registry)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT/NAME:TAG`, for `ctr images pull --plain-http`.
    pub fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// Pushes the tag `latest` of an OCI layout as `NAME:TAG`, with every manifest of an index, digests unchanged.
    pub fn push(&self, layout: &Path, name: &str) {
        let docker = docker_folder(layout);
        let source = match &docker {
            Some(folder) => format!("dir:{}", folder.path().display()),
            None => format!("oci:{}:latest", layout.display()),
        };
        let mut skopeo = Command::new("skopeo");
        skopeo
            .args([
                "--insecure-policy",
                "copy",
                "--quiet",
                "--all",
                "--preserve-digests",
                "--dest-tls-verify=false",
            ])
            .arg(source)
            .arg(format!("docker://{}", self.reference(name)));
        succeed(&mut skopeo, Duration::from_secs(180));
    }

    /// A folder for `ctr images pull --hosts-dir` in which HOST is this registry: images then carry a name and a
    /// `distribution.source` label of that host.
    pub fn hosts_dir(&self, host: &str) -> PathBuf {
        let hosts = self.folder.path().join("hosts");
        let folder = hosts.join(host);
        std::fs::create_dir_all(&folder).expect("hosts folder");
        let url = format!("http://127.0.0.1:{}", self.port);
        let text = format!("server = {url:?}\n[host.{url:?}]\n  capabilities = [\"pull\", \"resolve\"]\n");
        std::fs::write(folder.join("hosts.toml"), text).expect("hosts.toml");
        hosts
    }

    /// The requests answered so far, oldest first. A request is logged just after its answer, so this waits until the
    /// log has been quiet for a moment.
    pub fn requests(&self) -> Vec<Request> {
        let mut before = self.log();
        poll(Duration::from_secs(5), || {
            std::thread::sleep(Duration::from_millis(30));
            let now = self.log();
            let quiet = now.len() == before.len();
            before = now;
            quiet.then_some(())
        });
        before.lines().filter_map(Request::parse).collect()
    }

    /// How many blobs have been pulled so far.
    pub fn blob_pulls(&self) -> usize {
        self.requests().iter().filter(|request| request.is_blob_pull()).count()
    }

    /// Where it keeps its blobs, for tests that break the registry's own.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        end_child(&mut self.child, Duration::from_secs(5));
    }
}

/// skopeo finds no manifest with Docker's media type in an OCI layout: this is such a layout as its `dir:` wants it.
fn docker_folder(layout: &Path) -> Option<TempDir> {
    let index = std::fs::read(layout.join("index.json")).expect("an OCI layout");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("an OCI index");
    let target = index.pointer("/manifests/0").expect("a manifest in the index");
    if target.pointer("/mediaType")? != "application/vnd.docker.distribution.manifest.v2+json" {
        return None;
    }
    let folder = tempfile::Builder::new().prefix("fsck-bed-docker-").tempdir().expect("temporary folder");
    std::fs::write(folder.path().join("version"), "Directory Transport Version: 1.1\n")
        .expect("version file");
    let manifest = target
        .pointer("/digest")
        .and_then(|digest| digest.as_str())
        .and_then(|digest| digest.strip_prefix("sha256:"))
        .expect("a digest");
    for blob in std::fs::read_dir(layout.join("blobs/sha256")).expect("blobs").flatten() {
        let name = if blob.file_name() == manifest { "manifest.json".into() } else { blob.file_name() };
        std::fs::copy(blob.path(), folder.path().join(name)).expect("copied blob");
    }
    Some(folder)
}

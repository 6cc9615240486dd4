//! Whether this machine can run real containerds, and which.

use std::fmt;
use std::path::{Path, PathBuf};

/// A generation of containerd that users run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// containerd 1.6.
    V1_6,
    /// containerd 1.7.
    V1_7,
    /// containerd 2.1.
    V2_1,
}

impl Generation {
    /// All that `ci/setup` looks for, oldest first.
    pub const ALL: [Generation; 3] = [Generation::V1_6, Generation::V1_7, Generation::V2_1];

    /// `1.6`, `1.7`, `2.1`.
    pub fn name(self) -> &'static str {
        match self {
            Generation::V1_6 => "1.6",
            Generation::V1_7 => "1.7",
            Generation::V2_1 => "2.1",
        }
    }

    /// The generation of this name.
    pub fn from_name(name: &str) -> Option<Generation> {
        Generation::ALL.into_iter().find(|generation| generation.name() == name)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What `ci/setup` prepared.
#[derive(Clone, Debug)]
pub struct Bed {
    home: PathBuf,
    generations: Vec<Generation>,
}

/// The bed, for a test that needs it: without root and `ci/setup` a panic.
///
/// A test that calls this has `#[ignore = "needs root and ci/setup: …"]`, and so is counted as ignored where it cannot run;
/// `ci/test` runs it where it can.
pub fn gate() -> Bed {
    Bed::find().unwrap_or_else(|why| panic!("needs root and ci/setup: {why}"))
}

impl Bed {
    /// The bed, when this process is root and `ci/setup` has run.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn find() -> Result<Bed, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testdata is in the repository");
        let home = match std::env::var_os("FSCK_BED") {
            Some(home) => repo.join(home),
            None => repo.join("target/bed"),
        };
        let list = home.join("generations");
        let names = std::fs::read_to_string(&list).map_err(|why| format!("{}: {why}", list.display()))?;
        let generations: Vec<Generation> = names.lines().filter_map(Generation::from_name).collect();
        if generations.is_empty() {
            return Err(format!("{} names no containerd", list.display()));
        }
        if !home.join("images/base/index.json").is_file() {
            return Err(format!("{}/images is not complete", home.display()));
        }
        Ok(Bed { home, generations })
    }

    /// The generations that could be had on this machine, oldest first. Never empty.
    pub fn generations(&self) -> Vec<Generation> {
        self.generations.clone()
    }

    /// Whether this generation could be had.
    pub fn has(&self, generation: Generation) -> bool {
        self.generations.contains(&generation)
    }

    /// The folder that holds everything, `$FSCK_BED`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The folder with `containerd`, `ctr`, the shims and `runc` of a generation.
    pub fn bin(&self, generation: Generation) -> PathBuf {
        self.home.join("containerd").join(generation.name()).join("bin")
    }

    /// The OCI layout of a test image (`ci/images` lists them); its only tag is `latest`.
    pub fn image(&self, name: &str) -> PathBuf {
        let layout = self.home.join("images").join(name);
        assert!(layout.join("index.json").is_file(), "ci/images makes no image {name}");
        layout
    }
}

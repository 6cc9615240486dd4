//! Three fixed jobs whose instructions `ci/instructions` counts.
//!
//! ```text
//! instructions prepare FOLDER       makes what the jobs work on, the same every time
//! instructions hash FOLDER          two blobs of 4 MiB (by sha2: valgrind's CPU has no SHA instructions)
//! instructions walk FOLDER          a real containerd's meta.db, into records
//! instructions compare FOLDER       a layer of gzip against its tree
//! ```

use std::io::Write as _;
use std::path::Path;

use verifier_core::Interrupt;
use verifier_core::bolt::Database;
use verifier_core::compare::{CompareOptions, LayerBlob, LayerComparison, compare_layer};
use verifier_core::digest::{Algorithm, Digest, Feed, Hashed, Hasher, LANE_BYTES, Message, hash_all};
use verifier_core::io::{File, Folder, Gate};
use verifier_core::layer::Flavour;
use verifier_core::metadata::MetadataVisitor;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";
const WALKS: usize = 20;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [job, folder] = args.as_slice() else { return Err("JOB FOLDER".into()) };
    let path = Path::new(folder);
    if job == "prepare" {
        return prepare(path);
    }
    let folder = Folder::open_root(path, Gate::default())?;
    match job.as_str() {
        "hash" => hash(&folder),
        "walk" => walk(&folder),
        "compare" => compare(&folder),
        _ => Err("no such job".into()),
    }
}

fn prepare(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder.join("tree"))?;
    for number in [1, 2] {
        std::fs::write(folder.join(format!("blob-{number}")), benches::noise(number, 4 << 20))?;
    }
    testdata::golden::unpack("2.1", &folder.join("store"))?;
    let tar = benches::layer(&folder.join("tree"), 200)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&tar)?;
    Ok(std::fs::write(folder.join("layer"), gzip.finish()?)?)
}

/// The files yet to hash, and the digests of the others.
struct Files(Vec<File>, Vec<Digest>);

impl Feed for Files {
    type Job = ();
    type Source = File;

    fn next(&mut self) -> Option<Message<(), File>> {
        let hasher = Hasher::new(&Algorithm::Sha256)?;
        Some(Message { job: (), source: self.0.pop()?, hasher })
    }

    fn done(&mut self, (): (), hashed: Hashed) {
        self.1.extend(hashed.ok().flatten().map(|(digest, _)| digest));
    }

    fn progress(&mut self, _: u64) -> bool {
        true
    }
}

fn hash(folder: &Folder) -> Result<()> {
    let mut files = Files(vec![folder.file("blob-1")?, folder.file("blob-2")?], Vec::new());
    hash_all(LANE_BYTES, &mut files);
    if files.1.len() == 2 { Ok(()) } else { Err("not hashed".into()) }
}

fn walk(folder: &Folder) -> Result<()> {
    let file = folder.folder("store")?.file(META_DB)?;
    for _ in 0..WALKS {
        let mut visitor = MetadataVisitor::default();
        let walk = Database::open(&file)?.walk(&mut visitor);
        if !walk.faults.is_empty() || visitor.finish().namespaces.is_empty() {
            return Err("not walked".into());
        }
    }
    Ok(())
}

fn compare(folder: &Folder) -> Result<()> {
    let (blob, tree) = (folder.file("layer")?, folder.folder("tree")?);
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let request = LayerComparison {
        layers: &[LayerBlob { blob: &blob, media_type, algorithm: Algorithm::Sha256 }],
        tree: &tree,
        flavour: Flavour::OverlayFirst,
        lowers: &[],
        options: CompareOptions::default(),
    };
    let report = compare_layer(&request, &Interrupt::default(), &|_| {})?;
    // The folders have no entry: what time they got is nobody's business, and all files are the same.
    if report.is_same() { Ok(()) } else { Err(format!("differs: {:?}", report.counts).into()) }
}

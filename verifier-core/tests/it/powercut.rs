//! After a power cut in the middle of a pull, the findings explain all that containerd then stumbles over: where there is
//! no error among them, a pull and a container work.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use testdata::bed::{self, Bed, Containerd, FsImage, FsKind, Generation, LoopFs, Options, Registry};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::Severity;
use verifier_core::report::Report;
use verifier_core::{CheckOptions, Store, check};

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn findings_explain_what_containerd_stumbles_over() {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    registry.push(&bed.image("base"), "base:t");
    let image = registry.reference("base:t");
    let kinds = [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs];
    for (generation, kind) in bed.generations().into_iter().zip(kinds) {
        for (cut, what) in cuts(&bed, kind, generation, &image) {
            let fs = cut.mount();
            let root = fs.path().join("root");
            let report = look(&root);
            let codes: Vec<_> = report.findings.iter().map(|finding| finding.code().as_str()).collect();
            let explained = report.findings.iter().any(|finding| finding.severity() >= Severity::Error);
            let works = works(&bed, generation, &root, &image);
            eprintln!("{} containerd {generation} {what}: {codes:?}; containerd: {works:?}", kind.name());
            assert!(explained || works.is_ok(), "{what}: {works:?}\n{:#?}", report.findings);
        }
    }
}

fn look(root: &Path) -> Report {
    let store = Store::open(root).unwrap();
    let options = CheckOptions::default().depth(Depth::Full).threads(2);
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}

/// What the device held at several moments of one pull.
fn cuts(bed: &Bed, kind: FsKind, generation: Generation, image: &str) -> Vec<(FsImage, String)> {
    let live = LoopFs::new(kind, 3 << 30);
    let mut containerd = Containerd::start(bed, generation, &live.path().join("root"));
    live.sync();
    let mut pull = containerd.ctr_command(&["images", "pull", "--plain-http", image]);
    let mut pull = pull.stdout(Stdio::null()).spawn().unwrap();
    let (begin, mut cuts) = (Instant::now(), Vec::new());
    while pull.try_wait().unwrap().is_none() && cuts.len() < 2 {
        std::thread::sleep(Duration::from_millis(1200));
        cuts.push((live.cut_image(), format!("cut {:.1} s into the pull", begin.elapsed().as_secs_f32())));
    }
    pull.wait().unwrap();
    cuts.push((live.cut_image(), "cut after the pull".into()));
    live.sync();
    cuts.push((live.cut_image(), "cut after a sync".into()));
    containerd.stop();
    cuts
}

/// Whether containerd starts there, pulls the image and runs a container on it; else what it says.
fn works(bed: &Bed, generation: Generation, root: &Path, image: &str) -> Result<(), String> {
    let containerd = Containerd::try_start(bed, generation, root, &Options::default())?;
    let said = |output: std::process::Output| match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    };
    said(containerd.try_ctr(&["images", "pull", "--plain-http", image]))?;
    let runc_root = containerd.socket().with_file_name("runc").to_string_lossy().into_owned();
    let flags = ["run", "--rm", "--runc-root", &runc_root, "--cgroup", "/fsck-powercut", image, "once"];
    said(containerd.try_ctr(&[&flags[..], &["/bin/true"]].concat()))
}

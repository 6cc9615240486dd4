//! Restores all committed snapshots of a containerd root that nothing runs on: `restore ROOT`. Prints what came of each, the
//! seconds and the most memory that it took. `ci/powercut ext4 2.1 0 -- target/release/examples/restore {root}` measures the case
//! that matters.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::io::{Folder, Gate};
use verifier_core::metadata::Kind;
use verifier_core::plan::Lowers;
use verifier_core::repair::Run;
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::restore::{RestoreOptions, restore};
use verifier_core::{CheckOptions, Plan, Store, scan};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).ok_or("restore ROOT")?;
    let interrupt = Interrupt::default();
    let store = Store::open(Path::new(&root))?;
    let mut tasks = Plan::new(&scan(&store, &interrupt), &CheckOptions::default())?.snapshots;
    tasks.retain(|task| task.kind == Kind::Committed);
    tasks.sort_by_key(|task| task.lowers.as_ref().map_or(0, Lowers::height));
    let started = Instant::now();
    let folder = Folder::open_root(Path::new(&root), Gate::default())?;
    let gate = StepGate::default();
    let mut run = Run::begin(Disk::new(&folder, &gate))?;
    let mut failed = false;
    for task in &tasks {
        let begun = Instant::now();
        let outcome = restore(&mut run, task, &RestoreOptions::default(), &interrupt, &Unobserved);
        failed |= outcome.is_err();
        println!("{} {:.3} s {outcome:?}", task.tree.display(), begun.elapsed().as_secs_f64());
    }
    run.end("measured")?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let memory = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{:.3} s, {}", started.elapsed().as_secs_f64(), memory.replace('\t', " "));
    Ok(ExitCode::from(u8::from(failed)))
}

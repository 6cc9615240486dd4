//! Repairs a root that no containerd holds: shows what would be done, does it, and says what it came to.
//!
//! ```text
//! cargo run -p verifier-core --example repair -- /var/lib/containerd
//! ```

use std::path::Path;
use std::process::ExitCode;

use verifier_core::event::Unobserved;
use verifier_core::repair::{Repair, RepairOutcome, Setup};
use verifier_core::{Interrupt, Store};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).unwrap_or_else(|| "/var/lib/containerd".into());
    let store = Store::open(Path::new(&root))?;
    let (setup, interrupt) = (Setup::default(), Interrupt::default());
    let mut repair = Repair::open(&store, &setup, Vec::new())?;
    let planned = repair.plan(&Unobserved, &interrupt)?;
    let repaired = repair.apply(planned, &Unobserved, &interrupt);
    for (action, outcome) in repaired.actions() {
        match outcome {
            Some(Ok(())) => println!("done: {}", action.kind),
            Some(Err(error)) => println!("not done: {}: {error}", action.kind),
            None => println!("planned: {}", action.kind),
        }
    }
    for refusal in &repaired.plan.refusals {
        println!("left alone: {refusal}");
    }
    for pull in repaired.pulls() {
        println!("to be pulled again: {} in {}", pull.image.name, pull.image.namespace);
    }
    println!("{:?}; run {:?} puts it back", repaired.outcome(), repaired.run);
    Ok(match repaired.outcome() {
        RepairOutcome::Clean => ExitCode::SUCCESS,
        RepairOutcome::Corrected => ExitCode::from(1),
        RepairOutcome::Healed => ExitCode::from(2),
        _ => ExitCode::from(4),
    })
}

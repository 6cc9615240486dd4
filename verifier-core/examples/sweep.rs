//! Verifies a part of a root at each run, what waits longest first, and keeps in a state folder how far it has come.
//!
//! ```text
//! cargo run -p verifier-core --example sweep -- /var/lib/containerd /var/lib/my-tool
//! ```

use std::path::Path;

use verifier_core::event::Unobserved;
use verifier_core::sweep::{StateDir, SweepOptions, sweep};
use verifier_core::{Interrupt, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let root = args.next().unwrap_or_else(|| "/var/lib/containerd".into());
    let state = args.next().unwrap_or_else(|| "/var/lib/containerd-fsck".into());
    let root = Path::new(&root);
    let store = Store::open(root)?;
    let state = StateDir::new(Path::new(&state), root);
    state.make(root)?;
    // Repairs and other sweeps of this root wait, or are told who is at work.
    let lock = state.lock("example")?;
    let swept = sweep(&store, &state, &lock, &SweepOptions::default(), &Unobserved, &Interrupt::default())?;
    for finding in &swept.report.findings {
        println!("{}: {finding}", finding.code());
    }
    Ok(())
}

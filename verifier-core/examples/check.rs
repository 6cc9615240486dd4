//! The shortest useful caller: checks a root and says what is wrong, one line a finding.
//!
//! ```text
//! cargo run -p verifier-core --example check -- /var/lib/containerd
//! ```

use std::path::Path;
use std::process::ExitCode;

use verifier_core::Interrupt;
use verifier_core::event::{Event, Observer};
use verifier_core::finding::Depth;
use verifier_core::{CheckOptions, Store, check};

/// Counts the bytes that were read; a real tool would draw a bar.
#[derive(Default)]
struct Bytes(std::sync::atomic::AtomicU64);

impl Observer for Bytes {
    fn event(&self, event: Event) {
        if let Event::Read { bytes } = event {
            self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).unwrap_or_else(|| "/var/lib/containerd".into());
    let store = Store::open(Path::new(&root))?;
    let bytes = Bytes::default();
    // Raise it from a signal handler to stop early: the report then says what was left out.
    let interrupt = Interrupt::default();
    let options = CheckOptions::default().depth(Depth::Full);
    let report = check(&store, &options, &bytes, &interrupt)?;
    for finding in &report.findings {
        let images: Vec<&str> = finding.blast.images.iter().map(|image| image.name.as_str()).collect();
        println!("{}: {finding}; images {images:?}", finding.code());
    }
    println!("{} bytes read, {} findings", bytes.0.into_inner(), report.findings.len());
    Ok(if report.is_damaged(false) { ExitCode::from(4) } else { ExitCode::SUCCESS })
}

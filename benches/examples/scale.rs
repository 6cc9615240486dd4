//! Stores of many rows, and what a check of them takes.
//!
//! ```text
//! scale make KIND ROOT [ROWS]    blobs, snapshots, meta-db, layers, entries or node (testdata's builder::Scale)
//! scale check ROOT DEPTH         prints seconds by the clock, of CPU, and the most memory in MiB
//! ```

use std::path::Path;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use testdata::builder::Scale;
use verifier_core::Interrupt;
use verifier_core::event::{Event, Observer};
use verifier_core::finding::Depth;
use verifier_core::{CheckOptions, Store, check};

struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["make", kind, root, rows @ ..] => {
            let kind = Scale::ALL.into_iter().find(|known| known.name() == *kind).ok_or("no such kind")?;
            let rows = rows.first().map_or(Ok(kind.rows()), |rows| rows.parse())?;
            Ok(kind.build(rows)?.write(Path::new(root))?)
        }
        ["check", root, depth] => measure(Path::new(root), depth),
        _ => Err("scale make KIND ROOT [ROWS] | scale check ROOT DEPTH".into()),
    }
}

fn measure(root: &Path, depth: &str) -> Result<(), Box<dyn std::error::Error>> {
    let depth = match depth {
        "quick" => Depth::Quick,
        "blobs" => Depth::Blobs,
        "full" => Depth::Full,
        _ => return Err("quick, blobs or full".into()),
    };
    let begin = Instant::now();
    let store = Store::open(root)?;
    let report = check(&store, &CheckOptions::default().depth(depth), &Silent, &Interrupt::default())?;
    let clock = begin.elapsed().as_secs_f64();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("{clock:.3} {cpu:.3} {:.1} {}", kib / 1024.0, report.findings.len());
    Ok(())
}

//! `ci/powercut FS GENERATION SECONDS [IMAGE] [-- COMMAND…]`: pull, cut the power, mount what is left.
//!
//! With a command, `{root}` in its arguments becomes containerd's root, and its exit status becomes ours. Without one the
//! store stays mounted and its path is printed. `unpacking` for SECONDS cuts in the middle of the pull.

use std::process::{Command, ExitCode};
use std::time::Duration;

use testdata::bed::{self, Bed, CutAt, FsKind, Generation};

const USAGE: &str =
    "usage: ci/powercut ext4|xfs|btrfs 1.6|1.7|2.1 SECONDS|unpacking [IMAGE] [-- COMMAND [{root}]…]";

struct Args {
    kind: FsKind,
    generation: Generation,
    at: CutAt,
    image: String,
    command: Vec<String>,
}

fn parse(args: &[String]) -> Option<Args> {
    let split = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let (own, command) = args.split_at(split);
    let [kind, generation, at, image @ ..] = own else { return None };
    let at = match at.as_str() {
        "unpacking" => CutAt::Unpacking,
        seconds => CutAt::Pulled(Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?),
    };
    let image = match image {
        [] => "base",
        [name] => name,
        _ => return None,
    };
    Some(Args {
        kind: FsKind::from_name(kind)?,
        generation: Generation::from_name(generation)?,
        at,
        image: image.to_owned(),
        command: command.iter().skip(1).cloned().collect(),
    })
}

fn cut(bed: &Bed, args: &Args) -> ExitCode {
    let cut = bed::power_cut(bed, args.kind, args.generation, &bed.image(&args.image), args.at);
    let root = cut.root.to_string_lossy().into_owned();
    let Some((program, rest)) = args.command.split_first() else {
        let images = cut.fs.keep();
        println!("{root}");
        eprintln!(
            "when done: umount -R {0} && rm -r {1}",
            images.display(),
            images.with_file_name("").display()
        );
        return ExitCode::SUCCESS;
    };
    match Command::new(program).args(rest.iter().map(|arg| arg.replace("{root}", &root))).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(why) => {
            eprintln!("{program}: {why}");
            ExitCode::from(127)
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(args) = parse(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(16);
    };
    let bed = match Bed::find() {
        Ok(bed) => bed,
        Err(why) => {
            eprintln!("needs root and ci/setup: {why}");
            return ExitCode::from(8);
        }
    };
    if !bed.has(args.generation) {
        eprintln!("ci/setup found no containerd {}", args.generation);
        return ExitCode::from(8);
    }
    cut(&bed, &args)
}

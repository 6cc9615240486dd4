//! `explain`: what a finding means.

use verifier_core::finding::Code;

use super::output::{complain, print};
use crate::exit::Status;
use crate::render::escape;
use crate::words;

/// Prints the page of `code`, or the list of all codes.
pub(super) fn run(code: Option<&str>) -> Status {
    let Some(code) = code else { return list() };
    match code.trim().parse::<Code>() {
        Ok(code) => print(Status::CLEAN, |out| out.write_all(code.page().as_bytes())),
        Err(_) => {
            let nearest = words::nearest(code);
            complain(format_args!(
                "no finding has the code '{}'; did you mean '{nearest}'? ('containerd-fsck explain' lists all)",
                escape(code)
            ));
            Status::USAGE
        }
    }
}

fn list() -> Status {
    let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    print(Status::CLEAN, |out| {
        for &code in Code::ALL {
            writeln!(out, "{code:width$}  {:8}  {}", code.severity(), code.title())?;
        }
        Ok(())
    })
}

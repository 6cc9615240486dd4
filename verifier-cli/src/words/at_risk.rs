//! What a crash put at risk.

use verifier_core::plan::{Distrust, Selection, Sign};

use crate::render::{date, escape};

/// What is at risk and why, in a few words.
pub(crate) fn at_risk(selection: &Selection) -> String {
    match selection {
        Selection::Nothing { stopped_seconds } => {
            format!("nothing; containerd was stopped cleanly at {}.", date(*stopped_seconds))
        }
        Selection::Since { since_seconds, last_sign_seconds, sign: what } => format!(
            "what was made since {}; the last sign of life was {} at {}.",
            date(*since_seconds),
            sign(*what),
            date(*last_sign_seconds)
        ),
        Selection::Everything { why } => format!("everything, because {}.", distrust(why)),
        other => escape(format!("{other:?}")),
    }
}

fn sign(sign: Sign) -> &'static str {
    match sign {
        Sign::Record => "a record's change",
        Sign::Database => "a write to a database",
        Sign::Ingest => "a write to a download",
        Sign::Heartbeat => "written down",
        _ => "seen",
    }
}

fn distrust(why: &Distrust) -> String {
    match why {
        Distrust::InTheFuture { seconds } => {
            format!("something was made {seconds} s later than it is now: the clock is, or was, wrong")
        }
        Distrust::BeforeItsImage { image } => {
            format!("{} was pulled before it was made: the clock was wrong then", escape(image))
        }
        Distrust::Backwards { snapshotter, id } => {
            format!("the clock was set back before snapshot {id} of {} was made", escape(snapshotter))
        }
        Distrust::Jumped => "the clock was set while the machine ran".into(),
        Distrust::RecordsLost => "records are lost, and with them the times".into(),
        Distrust::NoSign => "there is no sign of when the machine stopped".into(),
        other => escape(format!("{other:?}")),
    }
}

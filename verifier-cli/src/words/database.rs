//! What could be read of a database.

use verifier_core::finding::LastTransaction;
use verifier_core::metadata::RecordCounts;
use verifier_core::report::{DatabaseReport, MetaPage, SalvageReport};
use verifier_core::scan::Usability;

use crate::render::{count, escape, thousands};

/// What there is to say of a database, in one paragraph; nothing of one that is whole.
pub(crate) fn database(report: &DatabaseReport) -> Option<String> {
    let whole = report.usability == Usability::Usable
        && report.meta_pages.iter().all(|page| page.error.is_none())
        && report.faults_left_out + report.invalid_left_out == 0;
    if whole {
        return None;
    }
    let mut sentences = vec![usability(report).to_owned()];
    sentences.extend(share(report));
    sentences.extend(meta_pages(report));
    sentences.extend(report.salvage.as_ref().map(salvage));
    for (number, what) in
        [(report.faults_left_out, "fault of a page"), (report.invalid_left_out, "undecodable value")]
    {
        if number > 0 {
            sentences.push(format!("Not listed: {}", count_of_what(number, what)));
        }
    }
    Some(sentences.join(". "))
}

fn usability(report: &DatabaseReport) -> &'static str {
    match (report.usability, report.last_transaction) {
        (Usability::Usable, _) => "usable",
        (Usability::UsableOneTransactionBack, Some(LastTransaction::Unknown)) => {
            "usable, perhaps one transaction back"
        }
        (Usability::UsableOneTransactionBack, _) => "usable one transaction back",
        (Usability::UsableWithLosses, _) => "usable with losses",
        (Usability::Unusable, _) => "unusable",
    }
}

/// How much of it can be read.
fn share(report: &DatabaseReport) -> Option<String> {
    let (pages, keys) = (report.pages?, report.keys?);
    if report.complete {
        return None;
    }
    let of_pages = match pages.lost {
        Some(lost) => {
            let all = count(pages.read + pages.damaged + lost, "page");
            format!("{} of {all} can be read", thousands(pages.read))
        }
        None => format!(
            "{} can be read, {} cannot, and nothing tells how many are lost below",
            count(pages.read, "page"),
            thousands(pages.damaged)
        ),
    };
    let lost =
        keys.lost.map_or_else(|| "an unknown number".into(), |lost| format!("at least {}", thousands(lost)));
    let records = match records(&report.records) {
        records if records.is_empty() => String::new(),
        records => format!(" ({records})"),
    };
    Some(format!("{of_pages}; {}{records}, and {lost} lost", count(keys.read, "key")))
}

/// Which meta page is in use, and what the other one would give.
fn meta_pages(report: &DatabaseReport) -> Option<String> {
    let number = report.meta_pages.iter().position(|page| page.used)?;
    let used = report.meta_pages.get(number)?;
    let other = report.meta_pages.get(1 - number)?;
    let of = |page: &MetaPage| page.txid.map_or_else(String::new, |txid| format!("transaction {txid}"));
    let gives = match (&other.error, report.other) {
        (Some(error), _) => format!("the other is invalid ({})", escape(error)),
        (None, Some(state)) => {
            let tree = if state.whole { "whole" } else { "damaged, too" };
            let changes = match (records(&state.more), records(&state.fewer)) {
                (more, fewer) if more.is_empty() && fewer.is_empty() => "the same records".to_owned(),
                (more, fewer) if fewer.is_empty() => format!("{more} more"),
                (more, fewer) if more.is_empty() => format!("{fewer} fewer"),
                (more, fewer) => format!("{more} more and {fewer} fewer"),
            };
            format!("that of the other, {}, is {tree} and has {changes}", of(other))
        }
        (None, None) => return None,
    };
    Some(format!("In use is the state of meta page {number}, {}; {gives}", of(used)))
}

fn salvage(found: &SalvageReport) -> String {
    let parts: Vec<String> =
        [(found.lost, "lost"), (found.unknown, "lost or former"), (found.stale, "former")]
            .into_iter()
            .filter(|(counts, _)| counts.total() > 0)
            .map(|(counts, state)| format!("{} ({state})", records(&counts)))
            .collect();
    match parts.is_empty() {
        true => "No record is left on pages that nothing leads to".into(),
        false => format!("Left on pages that nothing leads to: {}", parts.join("; ")),
    }
}

/// `2 images, 1 lease`; empty when there is none.
fn records(counts: &RecordCounts) -> String {
    let all = [
        (counts.namespaces, "namespace"),
        (counts.images, "image"),
        (counts.blobs, "blob"),
        (counts.ingests, "ingest"),
        (counts.snapshots, "snapshot"),
        (counts.containers, "container"),
        (counts.sandboxes, "sandbox"),
        (counts.leases, "lease"),
    ];
    let some = all.into_iter().filter(|(number, _)| *number > 0);
    some.map(|(number, what)| count_of_what(number, what)).collect::<Vec<_>>().join(", ")
}

/// As [`count`], for words with a plural of their own.
fn count_of_what(number: u64, one: &str) -> String {
    let many = match one {
        "sandbox" => "sandboxes",
        "fault of a page" => "faults of pages",
        _ => return count(number, one),
    };
    if number == 1 { count(number, one) } else { format!("{} {many}", thousands(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn nothing_is_said_of_a_whole_database() {
        assert_eq!(database(&sample::database()), None);
    }

    #[test]
    fn what_is_lost_is_told_with_what_is_left() {
        let expected = "usable with losses. 12 of 16 pages can be read; 412 keys (1 namespace, 3 images, 7 blobs, 5 \
                        snapshots), and at least 5 lost. In use is the state of meta page 1, transaction 57; that of \
                        the other, transaction 56, is damaged, too and has 2 images more and 1 blob fewer. Left on pages \
                        that nothing leads to: 2 images (lost); 1 lease (former). Not listed: 2 faults of pages";
        assert_eq!(database(&sample::damaged_database()).unwrap(), expected);
        let mut unknown = sample::damaged_database();
        let pages = unknown.pages.as_mut().unwrap();
        pages.lost = None;
        unknown.keys.as_mut().unwrap().lost = None;
        unknown.salvage = Some(SalvageReport::default());
        let text = database(&unknown).unwrap();
        assert!(
            text.contains("12 pages can be read, 1 cannot, and nothing tells how many are lost below"),
            "{text}"
        );
        assert!(text.contains("and an unknown number lost"), "{text}");
        assert!(text.contains("No record is left on pages that nothing leads to"), "{text}");
    }

    #[test]
    fn a_transaction_back_is_told() {
        let mut torn = sample::database();
        torn.usability = Usability::UsableOneTransactionBack;
        torn.last_transaction = Some(LastTransaction::MetaTorn);
        torn.meta_pages[0] = MetaPage { used: false, txid: None, error: Some("checksum\n".into()) };
        torn.other = None;
        let expected = "usable one transaction back. In use is the state of meta page 1, transaction 57; the other is \
                        invalid (checksum\\n)";
        assert_eq!(database(&torn).unwrap(), expected);
        torn.last_transaction = Some(LastTransaction::Unknown);
        assert!(database(&torn).unwrap().starts_with("usable, perhaps one transaction back. "));
    }
}

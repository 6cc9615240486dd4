//! `explain`.

use verifier_core::finding::Code;

use super::support::fsck;

#[test]
fn the_list_has_every_code_on_a_line() {
    let list = fsck(&["explain"]);
    assert_eq!(list.status, 0);
    assert_eq!(list.stdout.lines().count(), Code::ALL.len());
    for (line, code) in list.stdout.lines().zip(Code::ALL) {
        assert!(line.starts_with(&format!("{code} ")) && line.len() > 40, "{line}");
    }
}

#[test]
fn every_code_has_a_page() {
    for code in Code::ALL {
        let page = fsck(&["explain", code.as_str()]);
        assert_eq!((page.status, page.stderr.as_str()), (0, ""), "{code}");
        assert!(
            page.stdout.starts_with(&format!("{code}: ")) && page.stdout.contains("\nWhat to do\n"),
            "{code}"
        );
    }
}

#[test]
fn a_slip_is_a_mistake_with_a_suggestion() {
    let slip = fsck(&["explain", "snapshot-difers\n"]);
    assert_eq!(slip.status, 16);
    let line = slip.complaint();
    assert!(
        line.contains(r"'snapshot-difers\n'") && line.contains("did you mean 'snapshot-differs'?"),
        "{line}"
    );
}

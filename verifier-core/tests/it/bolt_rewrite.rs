//! A damaged database is rewritten: everything that the reader showed is in the new tree, and Go's `tx.Check` is clean.
//!
//! `FSCK_REWRITES` sets how many variants (1,500 unless set), `FSCK_SEED` where they begin.

use std::fs::OpenOptions;

use crate::bolt_support::model::{Model, random_edits};
use crate::bolt_support::{
    self,
    damage::{damage, originals},
};
use crate::bolt_support::{Random, Verdict, healthy, inspect, needed_oracle};
use verifier_core::bolt::{CommitError, Database, Edits, commit, rewrite};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn a_rewrite_keeps_all_that_was_shown_and_is_sound() {
    let originals = originals();
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut names) = (Vec::new(), Vec::new());
    let (mut refused, mut incomplete, mut damaged) = (0, 0, 0);
    let first = number("FSCK_SEED", 1);
    let variants = number("FSCK_REWRITES", 1500);
    for seed in first..first + variants {
        let mut random = Random::new(seed);
        let (name, original) = &originals[random.below(originals.len())];
        let mut bytes = original.clone();
        let mut what = format!("variant {seed}: {name}: {}", damage(&mut bytes, &mut random));
        // Several at once come with a bad disk.
        while seed % 3 == 0 && random.below(3) != 0 && Database::open(&bytes).is_ok() {
            let whole = Database::open(&bytes).unwrap().file_bytes() == original.len() as u64;
            if !whole {
                break;
            }
            what += &format!("; {}", damage(&mut bytes, &mut random));
        }
        let path = folder.path().join(seed.to_string());
        std::fs::write(&path, &bytes).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let shown = Database::open(&bytes).map(|db| Model::of_database(&db).dump());
        let strict = commit(&file, &Edits::new());
        if matches!(strict, Err(CommitError::Damaged { .. })) {
            damaged += 1;
            let now = std::fs::read(&path).unwrap();
            assert!(now == bytes, "{what}: a commit to a damaged database changes nothing");
        }
        match (rewrite(&file, None, &Edits::new(), &|_, _, _| true), shown) {
            (Ok(done), Ok(shown)) => {
                incomplete += u64::from(!done.walk.complete);
                let now = std::fs::read(&path).unwrap();
                let meta = Database::open(&now).unwrap();
                assert_eq!(meta.meta().txid, done.txid, "{what}");
                let db = Database::open(&now).unwrap();
                assert_eq!(
                    db.walk(&mut ()).faults.iter().filter(|fault| fault.pgid > 1).count(),
                    0,
                    "{what}"
                );
                let (_, ours) = bolt_support::dump(&db);
                assert!(ours.text == shown, "{what}: the rewritten tree is not what was shown");
                if db.metas().iter().all(Result::is_ok) && db.walk(&mut ()).faults.is_empty() {
                    healthy(&now, &what);
                }
                files.push(path);
                names.push(what);
            }
            (Err(CommitError::Open(_)), Err(_)) => {
                refused += 1;
                assert!(std::fs::read(&path).unwrap() == bytes, "{what}");
                std::fs::remove_file(&path).unwrap();
            }
            (done, _) => panic!("{what}: {done:?}"),
        }
    }
    eprintln!(
        "{variants} variants: {} rewritten, {incomplete} of them with a part lost; {refused} without a valid meta page; \
         commit refused {damaged}",
        files.len()
    );
    assert!(incomplete > 50 && refused > 10 && damaged > incomplete / 2);
    let oracle = needed_oracle();
    for (verdict, what) in inspect(oracle, &files).iter().zip(&names) {
        assert!(matches!(verdict, Verdict::Sound(_)), "{what}: {verdict:?}");
    }
}

#[test]
fn the_tree_one_transaction_back_can_be_the_better_one() {
    for (what, bytes) in originals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        std::fs::write(&path, &bytes).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let before = Model::of(&bytes).dump();
        commit(&file, &random_edits(&mut Random::new(1), &Model::of(&bytes))).unwrap();
        let mut now = std::fs::read(&path).unwrap();
        let db = Database::open(&now).unwrap();
        let (slot, page) = (db.slot(), usize::try_from(db.meta().page_size).unwrap());
        let root = usize::try_from(db.meta().root).unwrap() * page;
        now[root..root + page].fill(0);
        std::fs::write(&path, &now).unwrap();
        let done = rewrite(&file, Some(1 - slot), &Edits::new(), &|_, _, _| true).unwrap();
        assert!(done.walk.complete, "{what}");
        let now = std::fs::read(&path).unwrap();
        assert!(Model::of(&now).dump() == before, "{what}");
        let db = Database::open(&now).unwrap();
        assert!(db.meta().txid == done.txid && db.walk(&mut ()).faults.is_empty(), "{what}");
    }
}

#[test]
fn leaves_out_what_the_caller_does_not_want() {
    let (_, bytes) = originals().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    std::fs::write(&path, &bytes).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let before = Model::of(&bytes).dump();
    let done = rewrite(&file, None, &Edits::new(), &|_, key, _| key != b"createdat").unwrap();
    let after = Model::of(&std::fs::read(&path).unwrap()).dump();
    let created = format!(" {} ", hex::encode("createdat"));
    let kept = before
        .lines()
        .filter(|line| !line.contains(&created))
        .fold(String::new(), |all, line| all + line + "\n");
    assert!(done.dropped > 0 && after == kept);
    commit(&file, &done.inverse).unwrap();
    assert!(Model::of(&std::fs::read(&path).unwrap()).dump() == before);
}

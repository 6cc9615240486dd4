//! Our reading of healthy databases equals that of Go's bbolt and of bbolt-rs, key for key, and finds no fault.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bolt_support::{Random, ask, bbolt_rs_dump, golden_databases, healthy, needed_oracle};
use bbolt_rs::{Bolt, BucketRwApi, DbRwAPI, TxRwRefApi};
use verifier_core::bolt::{Database, MetaFault, Visitor, consistent};

const KINDS: [&str; 8] = ["empty", "small", "churn", "emptied", "inline", "big", "deep", "backup"];

fn same_as_go(oracle: &Path, file: &Path, what: &str) {
    let bytes = std::fs::read(file).unwrap();
    let (_, ours) = healthy(&bytes, what);
    let theirs = ask(oracle, &["dump"], file);
    assert!(ours == theirs, "{what}: the dumps differ");
    ask(oracle, &["check"], file);
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn reads_what_go_wrote_with_every_page_size_and_freelist() {
    let oracle = needed_oracle();
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        for page in ["1024", "4096", "16384", "65536"] {
            for synced in [true, false] {
                let what = format!("{kind} {page} synced {synced}");
                let file = folder.path().join("db");
                let mut args = vec!["make", "-kind", kind, "-page", page];
                if !synced {
                    args.push("-nofreelist");
                }
                ask(oracle, &args, &file);
                same_as_go(oracle, &file, &what);
                let bytes = std::fs::read(&file).unwrap();
                let db = Database::open(&bytes).unwrap();
                assert_eq!(db.meta().page_size.to_string(), page, "{what}");
                // A new file has a freelist until its first commit.
                assert_eq!(db.meta().freelist.is_some(), synced || kind == "empty", "{what}");
                std::fs::remove_file(&file).unwrap();
            }
        }
    }
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn reads_many_histories_that_go_wrote() {
    let oracle = needed_oracle();
    let folder = tempfile::tempdir().unwrap();
    for seed in 2..22 {
        let file = folder.path().join(seed.to_string());
        let seed = seed.to_string();
        ask(oracle, &["make", "-kind", "churn", "-page", "1024", "-seed", &seed], &file);
        same_as_go(oracle, &file, &seed);
    }
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn reads_a_freelist_of_more_than_65535_pages() {
    let oracle = needed_oracle();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    ask(oracle, &["make", "-kind", "freelist", "-page", "1024"], &file);
    let bytes = std::fs::read(&file).unwrap();
    let (walk, _) = healthy(&bytes, "freelist");
    assert!(walk.pages_free > 65535, "{walk:?}");
    same_as_go(oracle, &file, "freelist");
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn reads_the_databases_of_real_containerds() {
    let databases = golden_databases();
    assert!(databases.len() >= 8, "a meta.db and a metadata.db of each of four stores");
    for (what, bytes) in &databases {
        let (walk, _) = healthy(bytes, what);
        assert!(walk.keys > 10, "{what}: {walk:?}");
    }
    let oracle = needed_oracle();
    for (what, bytes) in &databases {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        same_as_go(oracle, file.path(), what);
    }
}

#[test]
fn reads_what_bbolt_rs_wrote_and_as_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    let mut random = Random::new(7);
    {
        let mut db = Bolt::open(&file).unwrap();
        for round in 0..5 {
            db.update(|mut tx| {
                let mut top = tx.create_bucket_if_not_exists(format!("top-{}", round % 2))?;
                for i in 0..2000 {
                    top.put(format!("key-{:05}", random.below(20000)), vec![i as u8; random.below(90)])?;
                }
                top.put(format!("large-{round}"), vec![round; 100_000])?;
                for i in 0..20 {
                    let mut small = top.create_bucket_if_not_exists(format!("small-{round}-{i}"))?;
                    small.put("key", vec![7; i * 40])?;
                    small.next_sequence()?;
                }
                Ok(())
            })
            .unwrap();
        }
    }
    let bytes = std::fs::read(&file).unwrap();
    let (walk, ours) = healthy(&bytes, "bbolt-rs");
    assert!(walk.buckets == 102 && walk.keys > 8000, "{walk:?}");
    assert!(ours == bbolt_rs_dump(&file), "the dumps differ");
}

#[test]
fn reads_golden_databases_as_bbolt_rs_does_where_it_can() {
    let mut compared = 0;
    for (what, bytes) in golden_databases() {
        // It cannot open a database without a synced freelist.
        if Database::open(&bytes).unwrap().meta().freelist.is_none() {
            continue;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        assert!(healthy(&bytes, &what).1 == bbolt_rs_dump(file.path()), "{what}: the dumps differ");
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn finds_meta_page_1_at_every_page_size_when_page_0_is_gone() {
    let oracle = needed_oracle();
    let folder = tempfile::tempdir().unwrap();
    for page in [1024, 4096, 65536] {
        let file = folder.path().join(page.to_string());
        ask(oracle, &["make", "-kind", "deep", "-page", &page.to_string()], &file);
        let mut bytes = std::fs::read(&file).unwrap();
        let txid = Database::open(&bytes).unwrap().meta().txid;
        bytes[..page].fill(0);
        let db = Database::open(&bytes).unwrap();
        assert_eq!(db.metas()[0], Err(MetaFault::Magic { actual: 0 }));
        assert_eq!((db.slot(), db.meta().page_size as usize), (1, page));
        assert!(db.meta().txid <= txid && db.meta().txid + 1 >= txid);
        assert!(db.walk(&mut ()).complete);
    }
}

/// The bank that the oracle's `write` keeps (ci/oracle/write.go).
#[derive(Default)]
struct Bank {
    left: u64,
    right: u64,
    total: u64,
    accounts: u64,
}

impl Visitor for Bank {
    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        let number = || u64::from_be_bytes(value.try_into().unwrap());
        match (path[0].as_slice(), key) {
            (b"pair", b"left") => self.left = number(),
            (b"pair", b"right") => self.right = number(),
            (b"accounts", _) => {
                self.total += number();
                self.accounts += 1;
            }
            _ => {}
        }
    }
}

/// Takes views under a writer until there are so many views of so many states; each must be sound and keep the bank's promises.
fn views_under_a_writer(args: &[&str], enough: (usize, usize)) {
    let oracle = needed_oracle();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut command = Command::new(oracle);
    command.arg("write").args(args).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut writer = command.spawn().unwrap();
    let stdin = writer.stdin.take();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let file = std::fs::File::open(&path).unwrap();
    let (mut views, mut states, mut last) = (0, 0, None);
    while views < enough.0 || states < enough.1 {
        assert!(writer.try_wait().unwrap().is_none(), "{views} views of {states} states while it wrote");
        let Ok((walk, bank, txid, faults)) = consistent(&file, 1000, |db| {
            let mut bank = Bank::default();
            let faults = db.metas().iter().filter(|meta| meta.is_err()).count();
            (db.walk(&mut bank), bank, db.meta().txid, faults)
        }) else {
            continue;
        };
        assert_eq!((walk.faults.as_slice(), faults), ([].as_slice(), 0), "txid {txid}");
        assert!(walk.complete);
        assert_eq!((bank.left, bank.total, bank.accounts), (bank.right, 100_000, 100), "txid {txid}");
        views += 1;
        states += usize::from(last.replace(txid) != Some(txid));
    }
    drop(stdin);
    eprintln!("{args:?}: {views} views of {states} states, {}", lines.next().unwrap().unwrap());
    assert!(writer.wait().unwrap().success());
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn views_under_synced_commits_are_consistent() {
    views_under_a_writer(&[], (1000, 100));
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn views_under_unsynced_commits_are_consistent() {
    views_under_a_writer(&["-nosync", "-nofreelist"], (1000, 100));
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn views_of_a_database_too_large_to_copy_are_consistent() {
    views_under_a_writer(&["-mib", "40", "-pause", "500ms"], (20, 5));
}

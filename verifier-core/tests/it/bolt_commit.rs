//! What we write, every reader reads: commits against a model, Go's bbolt and bbolt-rs, and their inverse.

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::bolt_support::model::{Model, random_edits};
use crate::bolt_support::{Random, ask, bbolt_rs_dump, golden_databases, healthy, needed_oracle, oracle};
use verifier_core::bolt::{CommitError, Committed, Database, Edits, build, commit, rewrite};

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn dump_of(path: &Path, what: &str) -> String {
    healthy(&std::fs::read(path).unwrap(), what).1
}

/// Commits, and everyone who reads bolt must then see what the model says.
fn committed(path: &Path, edits: &Edits, what: &str) -> Committed {
    let before = std::fs::read(path).unwrap();
    let old = *Database::open(&before).unwrap().meta();
    let mut model = Model::of(&before);
    model.apply(edits);
    let file = open(path);
    let done = commit(&file, edits).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let bytes = std::fs::read(path).unwrap();
    let db = Database::open(&bytes).unwrap();
    assert_eq!(db.meta().freelist.is_some(), old.freelist.is_some(), "{what}: the freelist mode is kept");
    assert_eq!((db.meta().page_size, db.meta().txid), (old.page_size, done.txid), "{what}");
    assert!(done.txid > old.txid && done.txid % 2 == db.slot() as u64, "{what}");
    let kept = (old.high_water * u64::from(old.page_size)) as usize;
    let data = 2 * old.page_size as usize;
    assert!(before[data..kept.min(before.len())] == bytes[data..kept.min(before.len())], "{what}: old pages");
    assert!(dump_of(path, what) == model.dump(), "{what}: differs from the model");
    done
}

fn as_others_read(oracle: Option<&Path>, path: &Path, what: &str) {
    let ours = dump_of(path, what);
    if let Some(oracle) = oracle {
        ask(oracle, &["check"], path);
        assert!(ask(oracle, &["dump"], path) == ours, "{what}: Go reads it otherwise");
    }
    if Database::open(&std::fs::read(path).unwrap()).unwrap().meta().freelist.is_some() {
        assert!(bbolt_rs_dump(path) == ours, "{what}: bbolt-rs reads it otherwise");
    }
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn random_edits_do_what_a_model_does_and_their_inverse_undoes_it() {
    let oracle = needed_oracle();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    for (kind, page, rounds) in [
        ("empty", "1024", 12),
        ("small", "1024", 12),
        ("churn", "1024", 6),
        ("churn", "4096", 6),
        ("inline", "4096", 4),
        ("deep", "16384", 4),
        ("big", "4096", 3),
        ("backup", "1024", 4),
        ("emptied", "65536", 3),
    ] {
        for synced in [true, false] {
            let mut args = vec!["make", "-kind", kind, "-page", page];
            if !synced {
                args.push("-nofreelist");
            }
            ask(oracle, &args, &path);
            let mut random = Random::new(7);
            for round in 0..rounds {
                let what = format!("{kind} {page} synced {synced} round {round}");
                let before = dump_of(&path, &what);
                let edits = random_edits(&mut random, &Model::of(&std::fs::read(&path).unwrap()));
                let done = committed(&path, &edits, &what);
                as_others_read(Some(oracle), &path, &what);
                let json = serde_json::to_string(&done.inverse).unwrap();
                let inverse: Edits = serde_json::from_str(&json).unwrap();
                assert_eq!(inverse, done.inverse, "{what}");
                let undone = committed(&path, &inverse, &what);
                assert!(dump_of(&path, &what) == before, "{what}: the inverse differs");
                as_others_read(Some(oracle), &path, &what);
                // The inverse of the inverse does it again; every other round starts from there.
                if round % 2 == 0 {
                    committed(&path, &undone.inverse, &what);
                }
            }
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn go_goes_on_writing_to_what_we_wrote() {
    let oracle = needed_oracle();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    for synced in [true, false] {
        let mode: &[&str] = if synced { &[] } else { &["-nofreelist"] };
        ask(oracle, &[&["make", "-kind", "churn", "-page", "1024"], mode].concat(), &path);
        let mut random = Random::new(3);
        for seed in 0..6 {
            let edits = random_edits(&mut random, &Model::of(&std::fs::read(&path).unwrap()));
            committed(&path, &edits, "between Go's");
            // 60 transactions of puts, deletes, rebalances and splits, from our pages on.
            let seed = seed.to_string();
            ask(
                oracle,
                &[&["make", "-kind", "churn", "-page", "1024", "-seed", &seed], mode].concat(),
                &path,
            );
            as_others_read(Some(oracle), &path, &format!("synced {synced} seed {seed}"));
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn rewrites_the_databases_of_real_containerds_key_for_key() {
    let oracle = oracle();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    for (what, bytes) in golden_databases() {
        std::fs::write(&path, &bytes).unwrap();
        let before = dump_of(&path, &what);
        let file = open(&path);
        let done = rewrite(&file, None, &Edits::new(), &|_, _, _| true).unwrap();
        assert!(done.inverse.is_empty() && done.dropped == 0 && done.walk.complete, "{what}");
        assert!(dump_of(&path, &what) == before, "{what}");
        as_others_read(oracle, &path, &what);
        let edits = random_edits(&mut Random::new(5), &Model::of(&std::fs::read(&path).unwrap()));
        let done = committed(&path, &edits, &what);
        as_others_read(oracle, &path, &what);
        committed(&path, &done.inverse, &what);
        assert!(dump_of(&path, &what) == before, "{what}");
    }
}

#[test]
fn builds_a_database_of_its_own() {
    let oracle = oracle();
    let folder = tempfile::tempdir().unwrap();
    for (at, (what, bytes)) in golden_databases().into_iter().enumerate() {
        let model = Model::of(&bytes);
        for freelist in [true, false] {
            let path = folder.path().join(format!("{at}-{freelist}"));
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
            build(&file, 4096, freelist, &model.edits()).unwrap();
            assert!(dump_of(&path, &what) == model.dump(), "{what}");
            as_others_read(oracle, &path, &what);
            committed(&path, &random_edits(&mut Random::new(1), &model), &what);
            as_others_read(oracle, &path, &what);
        }
    }
}

#[test]
fn keeps_keys_of_every_size_and_many_levels() {
    let oracle = oracle();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    for (page, freelist) in [(512, true), (1024, false), (4096, true)] {
        let mut edits = Edits::new();
        for i in 0..4000_u32 {
            edits.put(["many"], format!("key-{i:08}"), vec![7; (i % 90) as usize]);
        }
        for i in 0..40_u32 {
            let mut key = vec![i.to_be_bytes()[3]; 32768];
            edits.put(["long"], &key, b"v");
            key.truncate(32768 - i as usize * 700);
            edits.put(["long", "nested"], &key, vec![1; i as usize * 1000]);
        }
        edits.put(["values"], "large", vec![3; 3 << 20]);
        edits.create_bucket([vec![b'n'; 40000]]);
        edits.create_bucket(["long", "empty"]);
        edits.set_sequence(["many"], 77);
        let _ = std::fs::remove_file(&path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        build(&file, page, freelist, &Edits::new()).unwrap();
        as_others_read(oracle, &path, "empty");
        committed(&path, &edits, &page.to_string());
        as_others_read(oracle, &path, &page.to_string());
        let mut fewer = Edits::new();
        for i in (0..4000_u32).filter(|i| i % 40 != 0) {
            fewer.delete(["many"], format!("key-{i:08}"));
        }
        fewer.delete_bucket(["long"]);
        let done = committed(&path, &fewer, &page.to_string());
        as_others_read(oracle, &path, &page.to_string());
        committed(&path, &done.inverse, &page.to_string());
        as_others_read(oracle, &path, &page.to_string());
    }
}

#[test]
fn refuses_what_does_not_fit_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    let mut edits = Edits::new();
    edits.put(["a", "b"], "key", "value");
    build(&file, 4096, true, &edits).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut wrong = Vec::new();
    for (names, key) in [
        (vec!["a"], vec![b'b']),
        (vec!["a", "b", "key"], vec![b'x']),
        (vec!["a"], vec![]),
        (vec!["a"], vec![b'x'; 32769]),
        (vec![""], vec![b'x']),
    ] {
        let mut edits = Edits::new();
        edits.put(names, key, "value");
        wrong.push(edits);
    }
    let mut whole = Edits::new();
    whole.delete_bucket(Vec::<&str>::new());
    wrong.push(whole);
    for edits in wrong {
        let error = commit(&file, &edits).unwrap_err();
        assert!(matches!(error, CommitError::Conflict { .. }), "{edits:?}: {error:?}");
        assert!(std::fs::read(&path).unwrap() == before, "{edits:?}");
    }
    for damage in [0..before.len(), 0..8192, 0..0] {
        let mut bytes = before.clone();
        bytes[damage.clone()].fill(0);
        bytes.truncate(if damage.is_empty() { 0 } else { bytes.len() });
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(commit(&file, &edits), Err(CommitError::Open(_))), "{damage:?}");
        assert!(matches!(rewrite(&file, None, &edits, &|_, _, _| true), Err(CommitError::Open(_))));
        assert!(std::fs::read(&path).unwrap() == bytes, "{damage:?}");
    }
}

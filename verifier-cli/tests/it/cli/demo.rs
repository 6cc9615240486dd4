//! `demo`.

use super::support::{as_nobody, command, finish, open_folder};

#[test]
fn the_demo_finds_exactly_what_it_did_and_leaves_nothing() {
    let folder = open_folder();
    let (_program, nobody) = as_nobody();
    for mut command in [command(), nobody] {
        let ran = finish(command.arg("demo").env("TMPDIR", folder.path()));
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        for part in [
            "57 files are empty now",
            "ERROR snapshot-differs",
            "bin/hello: 0 bytes instead of 21",
            "DAMAGED.",
        ] {
            assert!(ran.stdout.contains(part), "no {part:?} in\n{}", ran.stdout);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    }
}

#[test]
fn a_demo_without_room_says_so() {
    let ran = finish(command().arg("demo").env("TMPDIR", "/no/such/folder"));
    assert_eq!(ran.status, 8);
    assert!(ran.complaint().starts_with("the sample store could not be unpacked: "), "{ran:?}");
}

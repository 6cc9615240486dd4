//! One image for each rule that containerd applies layers by, and archives that it refuses.

use super::entry::{Dialect, Entry};
use super::formats;
use super::writer::Layer;

/// A stack of layers.
#[derive(Debug, Clone)]
pub struct Image {
    /// The rule.
    pub name: &'static str,
    /// Tars, the lowest first.
    pub layers: Vec<Vec<u8>>,
    /// Whether containerd refuses it where a layer is applied to a tree that holds all those below it.
    pub overlay_only: bool,
}

fn image(name: &'static str, layers: &[&[Entry]]) -> Image {
    Image { name, layers: layers.iter().map(|entries| Layer::of(entries)).collect(), overlay_only: false }
}

/// POSIX access control list: version, then (tag, permissions, id).
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const CAPABILITY_OF_0: &[u8] = b"\x01\0\0\x03\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The images; containerd applies them all.
pub fn images() -> Vec<Image> {
    let mut images = names();
    images.extend(order());
    images.extend(whiteouts());
    images.extend(links());
    images.extend(attributes());
    images.extend(formats::formats());
    images.extend(formats::sparse());
    images
}

fn names() -> Vec<Image> {
    let long = "n".repeat(255);
    let deep = format!("{}/{}/{}", "x".repeat(200), "y".repeat(200), "z".repeat(200));
    vec![
        image(
            "names are cleaned",
            &[&[
                Entry::folder("./"),
                Entry::file("./one", b"1"),
                Entry::file("/two", b"2"),
                Entry::file("../../three", b"3"),
                Entry::folder("a//b/./"),
                Entry::file("a/b/../c", b"4"),
                Entry::folder(".."),
                Entry::file("a/./d", b"5"),
            ]],
        ),
        image(
            "names need not be UTF-8",
            &[&[
                Entry::file(b"\xff\xfe", b"x"),
                Entry::folder(b"d\x80/"),
                Entry::symlink(b"d\x80/l", b"\xc3\x28"),
                Entry::file("with\nnewline", b"y"),
                Entry::file("späße", b"z"),
            ]],
        ),
        image(
            "long names",
            &[&[
                Entry::file(&long, b"pax"),
                Entry::file(format!("gnu/{long}"), b"gnu").dialect(Dialect::Gnu),
                Entry::file(&deep, b"deep"),
                Entry::symlink("l", "t/".repeat(500)),
                Entry::symlink("lg", "g/".repeat(500)).dialect(Dialect::Gnu),
            ]],
        ),
        image(
            "parents are resolved inside the root",
            &[&[
                Entry::folder("usr/"),
                Entry::folder("usr/lib/"),
                Entry::symlink("lib", "usr/lib"),
                Entry::symlink("abs", "/usr/lib"),
                Entry::symlink("out", "../../../../../usr"),
                Entry::file("lib/a", b"a"),
                Entry::file("abs/b", b"b"),
                Entry::file("out/c", b"c"),
                Entry::symlink("usr/chain", "../abs"),
                Entry::file("usr/chain/d", b"d"),
                Entry::folder("lib/sub/").mode(0o700).mtime(77, 7),
                Entry::symlink("dangling", "no/where"),
                Entry::file("dangling/e", b"e"),
                Entry::symlink("dots", "usr/lib/.."),
                Entry::file("dots/f", b"f"),
                Entry::symlink("usr/lexical", "chain/../g"),
                Entry::file("usr/lexical/h", b"h"),
            ]],
        ),
    ]
}

fn order() -> Vec<Image> {
    vec![
        image(
            "the last entry wins",
            &[&[
                Entry::file("a", b"first"),
                Entry::file("a", b"second").mode(0o600),
                Entry::folder("b/"),
                Entry::file("b/x", b"x"),
                Entry::file("b", b"file now"),
                Entry::file("c", b"c"),
                Entry::symlink("c", "a"),
                Entry::symlink("d", "a"),
                Entry::folder("d/"),
                Entry::file("d/y", b"y"),
                Entry::fifo("e"),
                Entry::char_device("e", 1, 3),
                Entry::folder("f/").mode(0o700).mtime(5, 0),
                Entry::file("f/z", b"z"),
                Entry::folder("f/").mode(0o711).mtime(6, 0),
                Entry::file("keep", b"one"),
                Entry::file("keep", b"two"),
            ]],
        ),
        image(
            "folders merge across layers",
            &[
                &[
                    Entry::folder("d/").mode(0o700).owner(1, 2).xattr("user.low", b"1"),
                    Entry::file("d/a", b"a"),
                    Entry::folder("e/").mode(0o750),
                ],
                &[
                    Entry::folder("d/").mode(0o711).xattr("user.up", b"2"),
                    Entry::file("d/b", b"b"),
                    Entry::file("e/f", b"f"),
                ],
            ],
        ),
        image(
            "missing parents",
            &[
                &[
                    Entry::folder("seen/").mode(0o1777).owner(5, 6).mtime(9, 9).xattr("user.p", b"q"),
                    Entry::file("seen/a", b"a"),
                    Entry::folder("real/").mode(0o2750).owner(7, 8),
                    Entry::symlink("linked", "real"),
                    Entry::folder("deep/").mode(0o700),
                    Entry::folder("deep/er/").mode(0o710).owner(3, 4),
                ],
                &[
                    Entry::file("seen/b", b"b"),
                    Entry::file("linked/c", b"c"),
                    Entry::file("new/x/y", b"y"),
                    Entry::file("deep/er/z", b"z"),
                ],
                &[Entry::file("seen/d", b"d"), Entry::file("deep/er/zz", b"zz")],
            ],
        ),
        Image {
            overlay_only: true,
            ..image(
                "a file below a missing parent",
                &[&[Entry::file("f", b"f")], &[Entry::file("f/x", b"x")]],
            )
        },
        image(
            "a missing parent, then its own entry",
            &[
                &[Entry::folder("p/").mode(0o1777).owner(5, 6).xattr("user.low", b"1")],
                &[Entry::file("p/x", b"x"), Entry::folder("p/").mode(0o750).owner(1, -1).mtime(123, 456)],
            ],
        ),
        image(
            "a whiteout below hides a missing parent",
            &[&[Entry::folder("w/").mode(0o700)], &[Entry::whiteout("w")], &[Entry::file("w/x", b"x")]],
        ),
        image(
            "folder times are set at the end",
            &[&[
                Entry::folder("a/").mtime(10, 1),
                Entry::file("a/x", b"x"),
                Entry::folder("b/").mtime(20, 2),
                Entry::folder("l-to/").mtime(40, 4),
                Entry::folder("was/").mtime(50, 5),
                Entry::file("was", b"a file with a folder's time").mtime(60, 6),
                Entry::folder("link/").mtime(30, 3),
                Entry::symlink("link", "l-to").mtime(70, 7),
                Entry::folder("c/").mtime(80, 0),
                Entry::folder("c/d/").mtime(81, 0),
                Entry::file("c/d/e", b"e"),
                Entry::folder("c/").mtime(82, 0),
            ]],
        ),
        image(
            "times",
            &[&[
                Entry::file("nano", b"").mtime(1_700_000_000, 123_456_789),
                Entry::file("before", b"").mtime(-5, 0),
                Entry::file("before-nano", b"").mtime(-5, 500_000_000),
                Entry::file("2038", b"").mtime(2_147_483_648, 0),
                Entry::file("2106", b"").mtime(4_294_967_296, 5),
                Entry::file("2261", b"").mtime(9_200_000_000, 0),
                Entry::file("too-late", b"").mtime(10_000_000_000, 0),
                Entry::file("gnu", b"").mtime(-7, 0).dialect(Dialect::Gnu),
                Entry::symlink("s", "nano").mtime(3, 3),
                Entry::fifo("p").mtime(4, 4),
                Entry::folder("f").mtime(-1, 0),
            ]],
        ),
    ]
}

fn whiteouts() -> Vec<Image> {
    let base: &[Entry] = &[
        Entry::folder("d/"),
        Entry::file("d/a", b"a"),
        Entry::file("d/b", b"b"),
        Entry::folder("d/sub/"),
        Entry::file("d/sub/c", b"c"),
        Entry::file("f", b"f"),
        Entry::folder("o/").mode(0o750),
        Entry::file("o/x", b"x"),
        Entry::file("o/y", b"y"),
        Entry::folder("p/"),
        Entry::file("p/q", b"q"),
    ];
    let long = "w".repeat(255);
    vec![
        image(
            "a whiteout of the longest name",
            &[
                &[Entry::folder("d/"), Entry::file(format!("d/{long}"), b"x"), Entry::file("f", b"f")],
                &[Entry::folder("d/"), Entry::whiteout(&format!("d/{long}"))],
            ],
        ),
        image(
            "whiteouts",
            &[
                base,
                &[
                    Entry::whiteout("d/a").owner(3, 4),
                    Entry::whiteout("f"),
                    Entry::whiteout("d/sub"),
                    Entry::whiteout("no/such/thing"),
                    Entry::file("d/.wh..wh.aufs", b""),
                    Entry::whiteout("p"),
                    Entry::folder("p/"),
                    Entry::file("p/new", b"n"),
                ],
            ],
        ),
        image(
            "opaque folders",
            &[base, &[Entry::opaque("o"), Entry::file("o/z", b"z"), Entry::folder("d/"), Entry::opaque("d")]],
        ),
        image(
            "an opaque marker after its folder's entries",
            &[
                base,
                &[
                    Entry::folder("o/"),
                    Entry::file("o/z", b"z"),
                    Entry::folder("o/made/"),
                    Entry::file("o/made/in", b"i"),
                    Entry::file("o/implicit/child", b"c"),
                    Entry::opaque("o"),
                    Entry::file("o/after", b"a"),
                ],
            ],
        ),
        image("an opaque top", &[base, &[Entry::file("only", b"o"), Entry::opaque("")]]),
        image(
            "whiteouts in the first layer",
            &[&[
                Entry::folder("d/"),
                Entry::file("d/a", b"a"),
                Entry::file("d/implicit/b", b"b"),
                Entry::file("d/c", b"c"),
                Entry::whiteout("d/c"),
                Entry::whiteout("nothing"),
                Entry::opaque("d"),
                Entry::file("d/later", b"l"),
                Entry::folder("e/"),
                Entry::whiteout("gone/x"),
            ]],
        ),
    ]
}

fn links() -> Vec<Image> {
    vec![
        image(
            "hard links to names with slashes and dots at their end",
            &[&[
                Entry::folder("d/"),
                Entry::file("d/file", b"data").mode(0o640),
                Entry::symlink("d/link", "file"),
                Entry::symlink("dl", "d"),
                Entry::hard_link("one", "d/link/"),
                Entry::hard_link("two", "d/file/"),
                Entry::hard_link("three", "dl/link//"),
                Entry::hard_link("four", "d/file/."),
                Entry::hard_link("five", "d/link"),
                Entry::hard_link("six", "/dl/./link/"),
            ]],
        ),
        image(
            "security attributes of no module",
            &[&[
                Entry::file("a", b"a").xattr("security.example", b"1"),
                Entry::folder("d/").xattr("security.example", b"2"),
                Entry::file("o", b"o").xattr("user.overlay.example", b"3"),
                // The kernel keeps an empty one, and does not show it.
                Entry::file("e", b"e").xattr("security.capability", b""),
            ]],
        ),
        image(
            "hard links",
            &[&[
                Entry::file("a", b"data").mode(0o640).owner(1, 1).mtime(1, 1),
                Entry::hard_link("b", "a").mode(0o600).owner(2, 2).mtime(2, 2),
                Entry::hard_link("/c", "/b").mode(0o4755),
                Entry::symlink("s", "a"),
                Entry::hard_link("s2", "s").owner(9, 9).mtime(8, 8),
                Entry::fifo("p"),
                Entry::hard_link("p2", "p"),
                Entry::folder("d/"),
                Entry::hard_link("d/e", "./a"),
                Entry::symlink("dl", "d"),
                Entry::hard_link("f", "dl/e"),
                Entry::hard_link("g", "../../d/e"),
                Entry::char_device("v", 1, 7),
                Entry::hard_link("v2", "v"),
            ]],
        ),
        image(
            "a hard link outlives its first name",
            &[&[
                Entry::file("a", b"old data"),
                Entry::hard_link("b", "a"),
                Entry::file("a", b"new data, longer"),
                Entry::folder("d/"),
                Entry::file("d/x", vec![7; 100_000]),
                Entry::hard_link("y", "d/x"),
                Entry::symlink("d", "e"),
                Entry::folder("e/"),
            ]],
        ),
        image(
            "hard links across layers stay what they are",
            &[
                &[
                    Entry::file("a", b"1"),
                    Entry::hard_link("b", "a"),
                    Entry::symlink("s", "a"),
                    Entry::hard_link("t", "s"),
                ],
                &[Entry::file("a", b"2"), Entry::file("c", b"3"), Entry::hard_link("d", "c")],
                &[
                    Entry::file("e", b"5"),
                    Entry::folder("empty/").mtime(1, 2),
                    Entry::folder("full/").mtime(3, 4),
                    Entry::file("full/x", b"x"),
                ],
                &[Entry::file("g", b"6")],
            ],
        ),
        image(
            "a link drops the capability that it does not repeat",
            &[&[
                Entry::file("a", b"a").xattr("security.capability", CAPABILITY),
                Entry::hard_link("b", "a"),
                Entry::file("c", b"c").xattr("security.capability", CAPABILITY),
                Entry::hard_link("d", "c").xattr("security.capability", CAPABILITY),
                Entry::file("e", b"e").xattr("user.x", b"1"),
                Entry::hard_link("f", "e").xattr("user.y", b"2"),
            ]],
        ),
    ]
}

fn attributes() -> Vec<Image> {
    let none = u32::MAX;
    let list = acl(&[(1, 7, none), (2, 6, 1000), (4, 5, none), (16, 7, none), (32, 4, none)]);
    let minimal = acl(&[(1, 6, none), (4, 4, none), (32, 0, none)]);
    vec![
        image(
            "set-id and capabilities",
            &[&[
                Entry::file("suid", b"x").mode(0o4755).owner(1, 1),
                Entry::file("both", b"x").mode(0o6755).owner(0, 50),
                Entry::folder("sgid/").mode(0o2775).owner(0, 50),
                Entry::file("sgid/in", b"x"),
                Entry::folder("sgid/sub/").mode(0o755).owner(0, -1),
                Entry::file("sgid/unset", b"x").owner(-1, -1),
                Entry::file("sgid/implicit/x", b"x").owner(-1, -1),
                Entry::folder("tmp/").mode(0o1777),
                Entry::file("cap", b"x").xattr("security.capability", CAPABILITY).owner(3, 3),
                Entry::file("cap3", b"x").xattr("security.capability", CAPABILITY_OF_0),
                Entry::file("none", b"x").mode(0),
            ]],
        ),
        image(
            "owners",
            &[&[
                Entry::file("big", b"").owner(3_000_000_000, 4_000_000_000),
                Entry::file("gnu", b"").owner(3_000_000, 100_000_000).dialect(Dialect::Gnu),
                Entry::file("same", b"").owner(-1, -1),
                Entry::file("wrap", b"").owner(4_294_967_296 + 5, 4_294_967_295),
                Entry::symlink("s", "t").owner(8, 9),
            ]],
        ),
        image(
            "extended attributes",
            &[
                &[
                    Entry::file("a", b"")
                        .xattr("user.a", b"1")
                        .xattr("user.empty", b"")
                        .xattr("user.bin", b"\0\xff="),
                    Entry::file("t", b"")
                        .xattr("trusted.overlay.opaque", b"y")
                        .xattr("trusted.x", b"y")
                        .xattr("nonsense.x", b"y"),
                    Entry::symlink("s", "a").xattr("user.ignored", b"x"),
                    Entry::fifo("p").xattr("user.ignored", b"x"),
                    Entry::folder("d/").xattr("user.one", b"1"),
                    Entry::folder("d/").xattr("user.two", b"2"),
                    Entry::file("b", b"").xattr("user.big", vec![b'x'; 2000]),
                    Entry::file("l", b"").xattr("security.selinux", b"label"),
                ],
                &[Entry::file("d/f", b"")],
            ],
        ),
        image(
            "access control lists",
            &[
                &[
                    Entry::file("acl", b"").mode(0o640).xattr("system.posix_acl_access", &list),
                    Entry::file("mode", b"").mode(0o777).xattr("system.posix_acl_access", &minimal),
                    Entry::folder("def/").mode(0o750).xattr("system.posix_acl_default", &list),
                    Entry::file("def/f", b"").mode(0o644),
                    Entry::folder("def/d/"),
                    Entry::file("def/implicit/x", b""),
                    Entry::symlink("def/s", "f"),
                ],
                &[
                    Entry::file("def/again", b""),
                    Entry::file("acl2", b"").mode(0o600).xattr("system.posix_acl_access", &list),
                ],
            ],
        ),
        image(
            "devices",
            &[&[
                Entry::char_device("null", 1, 3).mode(0o666),
                Entry::block_device("sda", 8, 300).owner(0, 6),
                Entry::char_device("big", 511, 0x3_ffff).dialect(Dialect::Gnu),
                Entry::char_device("cut", 0x1_0001, 0x10_0002).dialect(Dialect::Gnu),
                Entry::fifo("pipe").mode(0o620),
                Entry::char_device("zero", 0, 0),
            ]],
        ),
    ]
}

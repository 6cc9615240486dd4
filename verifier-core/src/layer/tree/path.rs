//! Paths as Go's `path/filepath` makes them on Linux: bytes, separated by `/`.

/// The longest path that the kernel takes, without the final NUL.
pub(super) const PATH_MAX: usize = 4095;

/// The longest name of a file, in bytes.
pub(super) const NAME_MAX: usize = 255;

/// `filepath.Clean`: no empty components, no `.`, and no `..` but at the start of a relative path.
#[must_use]
pub fn clean(path: &[u8]) -> Vec<u8> {
    let absolute = path.first() == Some(&b'/');
    let mut cleaned = Vec::with_capacity(path.len().max(1));
    // Where the part begins that `..` must not remove.
    let mut fixed = 0;
    for component in components(path) {
        match component {
            b"." => {}
            b".." if cleaned.len() > fixed => {
                let cut = cleaned.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                cleaned.truncate(cut.max(fixed));
            }
            b".." if absolute => {}
            name => {
                if absolute || !cleaned.is_empty() {
                    cleaned.push(b'/');
                }
                cleaned.extend_from_slice(name);
                if name == b".." {
                    fixed = cleaned.len();
                }
            }
        }
    }
    if cleaned.is_empty() {
        cleaned.push(if absolute { b'/' } else { b'.' });
    }
    cleaned
}

/// `filepath.Join` of two parts.
#[must_use]
pub fn join(base: &[u8], path: &[u8]) -> Vec<u8> {
    match (base, path) {
        (b"", b"") => Vec::new(),
        (b"", only) | (only, b"") => clean(only),
        (base, path) => clean(&[base, b"/", path].concat()),
    }
}

/// The components of a path; empty ones are none.
pub(super) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
}

/// `filepath.Split`: everything up to and with the last `/`, and the rest.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    path.split_at_checked(at).unwrap_or((path, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        // From Go's path/filepath/path_test.go, cleantests.
        for (path, expected) in [
            ("", "."),
            ("abc", "abc"),
            ("a/b/c/", "a/b/c"),
            (".", "."),
            ("..", ".."),
            ("../../abc", "../../abc"),
            ("/abc", "/abc"),
            ("/", "/"),
            ("abc//def//ghi", "abc/def/ghi"),
            ("///abc", "/abc"),
            ("abc/./def", "abc/def"),
            ("abc/def/ghi/../jkl", "abc/def/jkl"),
            ("abc/def/..", "abc"),
            ("abc/def/../..", "."),
            ("/abc/def/../..", "/"),
            ("abc/def/../../..", ".."),
            ("/abc/def/../../..", "/"),
            ("abc/def/../../../ghi/jkl/../../../mno", "../../mno"),
            ("/../abc", "/abc"),
            ("abc/./../def", "def"),
            ("abc//./../def", "def"),
            ("abc/../../././../def", "../../def"),
            ("./a", "a"),
            ("./", "."),
            ("//", "/"),
            ("../..", "../.."),
            ("../../a/..", "../.."),
        ] {
            assert_eq!(String::from_utf8(clean(path.as_bytes())).unwrap(), expected, "{path:?}");
        }
        assert_eq!(join(b"/", b".."), b"/");
        assert_eq!(join(b"a", b"../b"), b"b");
        assert_eq!(join(b"", b"b/"), b"b");
        assert_eq!(split(b"a/b"), (&b"a/"[..], &b"b"[..]));
        assert_eq!(split(b"/"), (&b"/"[..], &b""[..]));
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..]));
    }
}

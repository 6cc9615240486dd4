//! PAX records: `LENGTH KEY=VALUE\n`, the length in decimal digits and counting the whole record.

use super::header::Header;
use super::sparse::SparseRecords;
use super::text::{decimal, pax_time};
use crate::layer::TarFault;

const XATTR: &[u8] = b"SCHILY.xattr.";

/// The records of one `x` header that matter to containerd. An empty value means: keep the header's own.
#[derive(Debug, Default)]
pub(super) struct Pax {
    path: Vec<u8>,
    link: Vec<u8>,
    size: Vec<u8>,
    uid: Vec<u8>,
    gid: Vec<u8>,
    mtime: Vec<u8>,
    /// Of these only the form matters: a bad one makes Go refuse the entry.
    atime: Vec<u8>,
    ctime: Vec<u8>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseRecords,
}

impl Pax {
    /// Reads a header's records. Of two with the same key the last one counts.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Pax, TarFault> {
        let mut pax = Pax::default();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or(TarFault::Pax)?;
            pax.set(key, value)?;
            bytes = rest;
        }
        pax.xattrs.sort_by(|(a, _), (b, _)| a.cmp(b));
        // The sort is stable: the last of a run is the last that was written.
        pax.xattrs.reverse();
        pax.xattrs.dedup_by(|(later, _), (kept, _)| later == kept);
        pax.xattrs.reverse();
        pax.sparse.finish();
        Ok(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarFault> {
        let place = match key {
            b"path" => &mut self.path,
            b"linkpath" => &mut self.link,
            b"size" => &mut self.size,
            b"uid" => &mut self.uid,
            b"gid" => &mut self.gid,
            b"mtime" => &mut self.mtime,
            b"atime" => &mut self.atime,
            b"ctime" => &mut self.ctime,
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.set(key, value)?;
                }
                return Ok(());
            }
        };
        place.clear();
        place.extend_from_slice(value);
        Ok(())
    }

    /// Puts the records into `header`.
    pub(super) fn merge(&mut self, header: &mut Header) -> Result<(), TarFault> {
        let number = |text: &[u8], place: &mut i64| {
            if !text.is_empty() {
                *place = decimal(text).ok_or(TarFault::Pax)?;
            }
            Ok::<_, TarFault>(())
        };
        number(&self.size, &mut header.size_bytes)?;
        number(&self.uid, &mut header.uid)?;
        number(&self.gid, &mut header.gid)?;
        let time = |text: &[u8]| pax_time(text).ok_or(TarFault::Pax);
        for text in [&self.atime, &self.ctime].into_iter().filter(|text| !text.is_empty()) {
            time(text)?;
        }
        if !self.mtime.is_empty() {
            header.mtime = time(&self.mtime)?;
        }
        for (text, place) in [(&mut self.path, &mut header.name), (&mut self.link, &mut header.link)] {
            if !text.is_empty() {
                *place = std::mem::take(text);
            }
        }
        header.xattrs = std::mem::take(&mut self.xattrs);
        Ok(())
    }

    /// All that Go takes from a global header: its name. What else is wrong with it goes unnoticed.
    pub(super) fn merge_global(&mut self, header: &mut Header) {
        if !self.path.is_empty() {
            header.name = std::mem::take(&mut self.path);
        }
    }
}

/// The first record of `bytes`: key, value, and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..space)?)?).ok().filter(|length| *length >= 5)?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
    let must_not_have_nul = match key {
        b"" => return None,
        b"path" | b"linkpath" | b"uname" | b"gname" => value,
        _ => key,
    };
    (!must_not_have_nul.contains(&0)).then_some((key, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_as_go_reads_them() {
        for (bytes, expected) in [
            (&b"6 k=v\n\n"[..], Some((&b"k"[..], &b"v"[..], &b"\n"[..]))),
            (b"19 path=/etc/hosts\n", Some((b"path", b"/etc/hosts", b""))),
            (b"6 k==\n", Some((b"k", b"=", b""))),
            (b"7 k=\0\0\n", Some((b"k", b"\0\0", b""))),
            (b"5 k=\n", Some((b"k", b"", b""))),
            (b"5 kk\n", None),
            (b"4 =\n", None),
            (b"5 =v\n", None),
            (b"0 k=v\n", None),
            (b"-6 k=v\n", None),
            (b"99999999999999999999 k=v\n", None),
            (b"7 k=v\n", None),
            (b"6 k=v", None),
            (b"6  k=v\n", None),
            (b"10 path=a\0\n", None),
            (b"8 \0k=vv\n", None),
        ] {
            assert_eq!(record(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_last_of_two_records_counts() {
        let mut header = Header { name: b"old".to_vec(), uid: 7, ..Header::default() };
        let text =
            b"22 SCHILY.xattr.b=one\n22 SCHILY.xattr.a=two\n24 SCHILY.xattr.b=three\n10 uid=12\n7 uid=\n";
        Pax::parse(text).unwrap().merge(&mut header).unwrap();
        assert_eq!(header.xattrs, [(b"a".to_vec(), b"two".to_vec()), (b"b".to_vec(), b"three".to_vec())]);
        // An empty value keeps what the header says.
        assert_eq!((header.name, header.uid), (b"old".to_vec(), 7));
    }
}

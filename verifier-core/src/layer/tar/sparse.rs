//! Sparse files: GNU tar's PAX formats 0.0, 0.1 and 1.0.
//!
//! ```text
//! 0.0  GNU.sparse.numblocks, GNU.sparse.offset and GNU.sparse.numbytes in turn
//! 0.1  GNU.sparse.numblocks, GNU.sparse.map = offset,length,offset,length,…
//! 1.0  GNU.sparse.major = 1, minor = 0; the map leads the data: count, then offset and length of each region, in
//!      decimal with a newline each, padded to a block
//! GNU.sparse.name: the name; GNU.sparse.size or .realsize: the length with holes. All numbers in bytes, decimal
//! ```

use super::header::Header;
use super::text::decimal;
use crate::layer::TarFault;

/// A map of more bytes than this is refused, as by Go since 1.24.
pub(super) const MAP_LIMIT: usize = 1024 * 1024;

/// The `GNU.sparse.*` records of an `x` header.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    major: Vec<u8>,
    minor: Vec<u8>,
    name: Vec<u8>,
    size: Vec<u8>,
    real_size: Vec<u8>,
    blocks: Vec<u8>,
    map: Vec<u8>,
    /// The map that 0.0's records make, and how many numbers it has.
    joined: Vec<u8>,
    numbers: usize,
}

/// Where the map is.
pub(super) enum MapFormat {
    /// In the records.
    Records,
    /// At the start of the data.
    Data,
}

impl SparseRecords {
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarFault> {
        let place = match key {
            b"offset" | b"numbytes" => {
                let turn = self.numbers.is_multiple_of(2);
                if turn != (key == b"offset") || value.contains(&b',') {
                    return Err(TarFault::Pax);
                }
                if self.numbers > 0 {
                    self.joined.push(b',');
                }
                self.joined.extend_from_slice(value);
                self.numbers += 1;
                return Ok(());
            }
            b"major" => &mut self.major,
            b"minor" => &mut self.minor,
            b"name" => &mut self.name,
            b"size" => &mut self.size,
            b"realsize" => &mut self.real_size,
            b"numblocks" => &mut self.blocks,
            b"map" => &mut self.map,
            _ => return Ok(()),
        };
        place.clear();
        place.extend_from_slice(value);
        Ok(())
    }

    /// All records are in: 0.0's become 0.1's.
    pub(super) fn finish(&mut self) {
        if self.numbers > 0 {
            self.map = std::mem::take(&mut self.joined);
        }
    }

    /// The format, if the file is sparse.
    pub(super) fn format(&self) -> Option<MapFormat> {
        match (&*self.major, &*self.minor) {
            (b"0", b"0" | b"1") => Some(MapFormat::Records),
            (b"1", b"0") => Some(MapFormat::Data),
            (b"", b"") if !self.map.is_empty() => Some(MapFormat::Records),
            _ => None,
        }
    }

    /// Puts name and length into `header`.
    pub(super) fn merge(&mut self, header: &mut Header) -> Result<(), TarFault> {
        if !self.name.is_empty() {
            header.name = std::mem::take(&mut self.name);
        }
        let size = if self.size.is_empty() { &self.real_size } else { &self.size };
        if !size.is_empty() {
            header.size_bytes = decimal(size).ok_or(TarFault::Sparse)?;
        }
        Ok(())
    }

    /// The regions that the records tell.
    pub(super) fn regions(&self) -> Result<Vec<Region>, TarFault> {
        let count = decimal(&self.blocks).and_then(|count| usize::try_from(count).ok());
        let mut numbers = self.map.split(|byte| *byte == b',').filter(|_| !self.map.is_empty());
        let mut regions = Vec::new();
        while let Some(offset) = numbers.next() {
            let length = numbers.next().ok_or(TarFault::Sparse)?;
            regions.push(region(offset, length)?);
        }
        if Some(regions.len()) == count { Ok(regions) } else { Err(TarFault::Sparse) }
    }
}

/// Data of a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) length: u64,
}

fn region(offset: &[u8], length: &[u8]) -> Result<Region, TarFault> {
    let number = |text| decimal(text).and_then(|number| u64::try_from(number).ok()).ok_or(TarFault::Sparse);
    Ok(Region { offset: number(offset)?, length: number(length)? })
}

/// Reads format 1.0's map out of blocks as they come.
#[derive(Debug, Default)]
pub(super) struct MapReader {
    text: Vec<u8>,
    newlines: usize,
}

impl MapReader {
    /// Takes the next block; returns the regions when it was the last one of the map.
    pub(super) fn block(&mut self, block: &[u8]) -> Result<Option<Vec<Region>>, TarFault> {
        self.newlines += block.iter().filter(|byte| **byte == b'\n').count();
        self.text.extend_from_slice(block);
        if self.text.len() > MAP_LIMIT {
            return Err(TarFault::TooLong);
        }
        let mut lines = self.text.split(|byte| *byte == b'\n');
        let Some(count) = lines.next().filter(|_| self.newlines > 0) else { return Ok(None) };
        let count = decimal(count).and_then(|count| usize::try_from(count).ok()).ok_or(TarFault::Sparse)?;
        if count
            .checked_mul(2)
            .and_then(|lines| lines.checked_add(1))
            .is_none_or(|lines| lines > self.newlines)
        {
            return if count > MAP_LIMIT { Err(TarFault::TooLong) } else { Ok(None) };
        }
        let mut regions = Vec::with_capacity(count);
        for _ in 0..count {
            regions.push(region(lines.next().unwrap_or_default(), lines.next().unwrap_or_default())?);
        }
        Ok(Some(regions))
    }
}

/// Whether `regions` are in order, apart, and within `size` bytes. Those without length are dropped.
pub(super) fn check(mut regions: Vec<Region>, size: i64) -> Result<Vec<Region>, TarFault> {
    let size = u64::try_from(size).map_err(|_| TarFault::Sparse)?;
    let mut end = 0;
    for region in &regions {
        let region_end = region.offset.checked_add(region.length).ok_or(TarFault::Sparse)?;
        if region.offset < end || region_end > size {
            return Err(TarFault::Sparse);
        }
        end = region_end;
    }
    regions.retain(|region| region.length > 0);
    Ok(regions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_1_0_ends_within_a_block() {
        let mut block = [0; 512];
        let text = b"2\n0\n5\n100\n7\n";
        block[..text.len()].copy_from_slice(text);
        let regions = MapReader::default().block(&block).unwrap().unwrap();
        assert_eq!(regions, [Region { offset: 0, length: 5 }, Region { offset: 100, length: 7 }]);
    }

    #[test]
    fn a_map_may_straddle_blocks_but_not_for_ever() {
        let text = "100\n".to_owned() + &(0..100).map(|n| format!("{}\n1\n", n * 1000)).collect::<String>();
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        let mut reader = MapReader::default();
        let found: Vec<_> = bytes.chunks(512).map(|block| reader.block(block).unwrap()).collect();
        assert_eq!(found.last().unwrap().as_ref().unwrap().len(), 100);
        assert!(found[..found.len() - 1].iter().all(Option::is_none));

        let mut reader = MapReader::default();
        let first = reader.block(format!("{:<512}", "1048576\n").as_bytes());
        assert_eq!(first, Ok(None));
        assert!((0..4096).any(|_| reader.block(&[b'1'; 512]) == Err(TarFault::TooLong)));
    }

    #[test]
    fn regions_are_checked() {
        let make = |pairs: &[(u64, u64)]| {
            pairs.iter().map(|(offset, length)| Region { offset: *offset, length: *length }).collect()
        };
        assert_eq!(check(make(&[(0, 5), (5, 0), (9, 1)]), 10).unwrap().len(), 2);
        for (pairs, size) in
            [(&[(0, 5), (4, 1)][..], 10), (&[(0, 11)], 10), (&[(u64::MAX, 2)], 10), (&[], -1)]
        {
            assert_eq!(check(make(pairs), size), Err(TarFault::Sparse), "{pairs:?}");
        }
    }
}

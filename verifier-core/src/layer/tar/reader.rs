//! The archive, entry by entry, from a stream.

use std::io::{self, BufRead};

use super::block::{self, BLOCK};
use super::header::{EntryKind, Header};
use super::pax::Pax;
use super::sparse::{self, MapFormat, MapReader, Region};
use super::text::c_string;
use crate::layer::TarFault;

/// PAX headers and long names of more bytes than this are refused (Go's `maxSpecialFileSize`).
const SPECIAL_LIMIT: u64 = 1024 * 1024;

/// Why there is no further entry.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The archive is wrong.
    #[error("{why} at byte {offset}")]
    Fault {
        /// Where the entry begins.
        offset: u64,
        /// What is wrong.
        why: TarFault,
    },
}

/// A piece of an entry's data.
#[derive(Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// The next bytes of the file.
    Bytes(&'a [u8]),
    /// So many bytes of zeros: a hole.
    Zeros(u64),
    /// That was all.
    End,
}

/// Reads a tar from `stream`, once, in bounded memory.
pub struct Reader<R> {
    stream: R,
    /// Bytes of the stream that were used up.
    offset: u64,
    /// Where the current entry begins, its extensions included.
    entry: u64,
    /// Bytes of the stream's buffer that were lent out.
    lent: usize,
    /// What of the current entry is still in the stream, and the padding that follows.
    physical: u64,
    padding: u64,
    /// Where in the file, holes included, the next data goes, and how long the file is.
    position: u64,
    length: u64,
    /// For a sparse file: its regions that are still to come, in order.
    regions: Option<std::vec::IntoIter<Region>>,
    region: Option<Region>,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of the archive that `stream` is at the start of.
    pub fn new(stream: R) -> Reader<R> {
        Reader {
            stream,
            offset: 0,
            entry: 0,
            lent: 0,
            physical: 0,
            padding: 0,
            position: 0,
            length: 0,
            regions: None,
            region: None,
            ended: false,
        }
    }

    /// The stream. It stands where the bytes begin that [`Reader::data`] has just lent out.
    pub fn stream(&self) -> &R {
        &self.stream
    }

    /// The stream, wherever it stands.
    pub fn into_inner(self) -> R {
        self.stream
    }

    /// Reads the next entry into `header`; false at the end of the archive.
    ///
    /// # Errors
    /// [`TarError`]; after one, the archive is at its end.
    pub fn next(&mut self, header: &mut Header) -> Result<bool, TarError> {
        if self.ended {
            return Ok(false);
        }
        // Whatever happens on the way, an error is the end.
        self.ended = true;
        if !self.skip_rest()? {
            return Ok(false);
        }
        self.entry = self.offset;
        let (mut pax, mut long_name, mut long_link) = (None, Vec::new(), Vec::new());
        loop {
            let Some(flag) = self.block(header)? else { return Ok(false) };
            self.begin_data(header)?;
            match flag {
                b'x' => pax = Some(Pax::parse(&self.special()?).map_err(|why| self.fault(why))?),
                b'g' => {
                    let mut global = Pax::parse(&self.special()?).map_err(|why| self.fault(why))?;
                    global.merge_global(header);
                    header.size_bytes = 0;
                    break;
                }
                b'L' => long_name = c_string(&self.special()?).to_vec(),
                b'K' => long_link = c_string(&self.special()?).to_vec(),
                _ => {
                    self.finish_header(header, pax, (long_name, long_link), flag)?;
                    break;
                }
            }
            // Go forgets the extensions of an archive that ends behind them.
            if !self.skip_rest()? {
                return Ok(false);
            }
        }
        header.offset = self.entry;
        self.ended = false;
        Ok(true)
    }

    /// The next piece of the current entry's data.
    ///
    /// # Errors
    /// [`TarError`]: the stream ends too early, or a sparse file's data does not fit its map.
    pub fn data(&mut self) -> Result<Data<'_>, TarError> {
        self.take_back();
        if self.regions.is_some() {
            return self.sparse_data();
        }
        if self.physical == 0 {
            return Ok(Data::End);
        }
        self.lend(self.physical).map(Data::Bytes)
    }

    /// Passes over what is left of the current entry's data. Unlike [`Reader::next`] it notices when a sparse file's
    /// data does not fit its map, as whoever unpacks the file does.
    ///
    /// # Errors
    /// As [`Reader::data`].
    pub fn finish_data(&mut self) -> Result<(), TarError> {
        while self.regions.is_some() && self.data()? != Data::End {}
        Ok(())
    }

    fn sparse_data(&mut self) -> Result<Data<'_>, TarError> {
        if self.region.is_none_or(|region| region.length == 0) {
            self.region = self.regions.as_mut().and_then(Iterator::next);
        }
        let start = self.region.map_or(self.length, |region| region.offset);
        if self.position < start {
            let hole = start - self.position;
            self.position = start;
            return Ok(Data::Zeros(hole));
        }
        let Some(region) = self.region else {
            return if self.physical > 0 { Err(self.fault(TarFault::Sparse)) } else { Ok(Data::End) };
        };
        if self.physical == 0 {
            return Err(self.fault(TarFault::Sparse));
        }
        let count = self.lend(region.length.min(self.physical))?.len() as u64;
        let (offset, length) = (region.offset + count, region.length - count);
        self.region = Some(Region { offset, length });
        self.position = offset;
        let lent = self.lent;
        Ok(Data::Bytes(self.stream.fill_buf()?.get(..lent).unwrap_or_default()))
    }

    /// Lends out up to `limit` bytes of the current entry.
    fn lend(&mut self, limit: u64) -> Result<&[u8], TarError> {
        let entry = self.entry;
        let buffer = self.stream.fill_buf()?;
        if buffer.is_empty() {
            return Err(TarError::Fault { offset: entry, why: TarFault::Cut });
        }
        let count = buffer.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        self.lent = count;
        self.physical -= count as u64;
        Ok(buffer.get(..count).unwrap_or_default())
    }

    fn take_back(&mut self) {
        let lent = std::mem::take(&mut self.lent);
        self.stream.consume(lent);
        self.offset += lent as u64;
    }

    fn fault(&self, why: TarFault) -> TarError {
        TarError::Fault { offset: self.entry, why }
    }

    /// Skips what is left of the current entry; false if the archive ends within its padding.
    fn skip_rest(&mut self) -> Result<bool, TarError> {
        while self.physical > 0 {
            self.take_back();
            self.lend(self.physical)?;
        }
        self.take_back();
        let mut padding = std::mem::take(&mut self.padding);
        while padding > 0 {
            let count = self.stream.fill_buf()?.len().min(usize::try_from(padding).unwrap_or(usize::MAX));
            if count == 0 {
                return Ok(false);
            }
            self.stream.consume(count);
            self.offset += count as u64;
            padding -= count as u64;
        }
        Ok(true)
    }

    /// The next header block; `None` at the end of the archive.
    fn block(&mut self, header: &mut Header) -> Result<Option<u8>, TarError> {
        let mut block = [0; BLOCK];
        if !self.read_block(&mut block)? {
            return Ok(None);
        }
        if block.iter().all(|byte| *byte == 0) {
            if !self.read_block(&mut block)? || block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            return Err(self.fault(TarFault::Header));
        }
        block::parse(&block, header).map(Some).map_err(|why| self.fault(why))
    }

    /// Fills `block`; false if there is not a single byte.
    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, TarError> {
        let mut filled = 0;
        while let Some(room) = block.get_mut(filled..).filter(|room| !room.is_empty()) {
            let buffer = self.stream.fill_buf()?;
            if buffer.is_empty() {
                return if filled == 0 { Ok(false) } else { Err(self.fault(TarFault::Cut)) };
            }
            let count = buffer.len().min(room.len());
            for (to, from) in room.iter_mut().zip(buffer) {
                *to = *from;
            }
            self.stream.consume(count);
            self.offset += count as u64;
            filled += count;
        }
        Ok(true)
    }

    /// Sets up the data that the header announces.
    fn begin_data(&mut self, header: &Header) -> Result<(), TarError> {
        self.regions = None;
        self.region = None;
        self.position = 0;
        self.physical = match u64::try_from(header.size_bytes) {
            _ if header.kind.is_header_only() => 0,
            Ok(size) => size,
            Err(_) => return Err(self.fault(TarFault::Header)),
        };
        self.padding = self.physical.next_multiple_of(BLOCK as u64) - self.physical;
        Ok(())
    }

    /// The whole data of an extension.
    fn special(&mut self) -> Result<Vec<u8>, TarError> {
        if self.physical > SPECIAL_LIMIT {
            // What is longer than the limit, but cut off before, is cut off.
            return Err(self.fault(TarFault::TooLong));
        }
        let mut bytes = Vec::new();
        while let Data::Bytes(piece) = self.data()? {
            bytes.extend_from_slice(piece);
        }
        Ok(bytes)
    }

    /// Puts the extensions into the header of the entry that they describe.
    fn finish_header(
        &mut self,
        header: &mut Header,
        pax: Option<Pax>,
        (long_name, long_link): (Vec<u8>, Vec<u8>),
        flag: u8,
    ) -> Result<(), TarError> {
        let mut pax = pax.unwrap_or_default();
        pax.merge(header).map_err(|why| self.fault(why))?;
        if !long_name.is_empty() {
            header.name = long_name;
        }
        if !long_link.is_empty() {
            header.link = long_link;
        }
        if flag == 0 {
            let folder = header.name.last() == Some(&b'/');
            header.kind = if folder { EntryKind::Folder } else { EntryKind::File };
        }
        self.begin_data(header)?;
        if flag == b'S' {
            // Go reads old GNU sparse maps, containerd then refuses the type: nothing beyond is ever read.
            return Ok(());
        }
        let Some(format) = pax.sparse.format() else { return Ok(()) };
        pax.sparse.merge(header).map_err(|why| self.fault(why))?;
        let regions = match format {
            MapFormat::Records => pax.sparse.regions().map_err(|why| self.fault(why))?,
            MapFormat::Data => self.sparse_map()?,
        };
        if header.kind.is_header_only() {
            return Err(self.fault(TarFault::Header));
        }
        let regions = sparse::check(regions, header.size_bytes).map_err(|why| self.fault(why))?;
        self.length = u64::try_from(header.size_bytes).unwrap_or(0);
        self.regions = Some(regions.into_iter());
        Ok(())
    }

    /// The map that leads the data in format 1.0.
    fn sparse_map(&mut self) -> Result<Vec<Region>, TarError> {
        let mut map = MapReader::default();
        loop {
            if self.physical < BLOCK as u64 {
                return Err(self.fault(TarFault::Cut));
            }
            let mut block = [0; BLOCK];
            if !self.read_block(&mut block)? {
                return Err(self.fault(TarFault::Cut));
            }
            self.physical -= BLOCK as u64;
            if let Some(regions) = map.block(&block).map_err(|why| self.fault(why))? {
                return Ok(regions);
            }
        }
    }
}

//! gzip: several members, RFC 1952.
//!
//! ```text
//! 0   1f 8b   magic          2  08   deflate      3  flags: 2 header CRC, 4 extra, 8 name, 16 comment
//! 4   mtime, 4 bytes         8  extra flags       9  system
//! 10  [extra: u16 length, bytes] [name, NUL] [comment, NUL] [u16 header CRC]
//!     deflate data, then CRC-32 (u32) and length modulo 2^32 (u32) of what it inflates to; all little-endian
//! ```
//!
//! The CRC is passed over: the blob's digest and the DiffID say more, and it takes as long as a quarter of either.

use flate2::{Decompress, FlushDecompress, Status};

use super::source::Source;
use super::stream::StreamError;
use crate::layer::LayerFault;

pub(super) struct Gzip {
    inflate: Decompress,
    state: State,
    /// Members that are complete.
    members: u64,
}

enum State {
    Header,
    Data,
    End,
}

/// The header was none.
struct NotGzip;

impl Gzip {
    pub(super) fn new() -> Gzip {
        Gzip { inflate: Decompress::new(false), state: State::Header, members: 0 }
    }

    /// Fills `out` as far as it goes; 0 at the end.
    pub(super) fn fill(&mut self, source: &mut Source<'_>, out: &mut [u8]) -> Result<usize, StreamError> {
        loop {
            match self.state {
                State::End => return Ok(0),
                State::Header => self.begin(source)?,
                State::Data => match self.inflate(source, out)? {
                    0 => {}
                    count => return Ok(count),
                },
            }
        }
    }

    fn begin(&mut self, source: &mut Source<'_>) -> Result<(), StreamError> {
        if source.fill()?.is_empty() {
            self.state = State::End;
            return Ok(());
        }
        match header(source)? {
            Ok(()) => {
                self.inflate.reset(false);
                self.state = State::Data;
                Ok(())
            }
            // Something else follows the last member.
            Err(NotGzip) if self.members > 0 => {
                self.state = State::End;
                Ok(())
            }
            Err(NotGzip) => Err(corrupt(source, "no gzip header")),
        }
    }

    fn inflate(&mut self, source: &mut Source<'_>, out: &mut [u8]) -> Result<usize, StreamError> {
        let mut filled = 0;
        while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
            let input = source.fill()?;
            let at_end = input.is_empty();
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let outcome = self.inflate.decompress(input, room, FlushDecompress::None);
            let read = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(0);
            let written = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(0);
            filled += written;
            source.consume(read);
            match outcome {
                Err(error) => return Err(corrupt(source, error.message().unwrap_or("corrupt deflate data"))),
                Ok(Status::StreamEnd) => {
                    self.trailer(source)?;
                    break;
                }
                Ok(_) if at_end && written == 0 => return Err(cut(source)),
                Ok(_) => {}
            }
        }
        Ok(filled)
    }

    fn trailer(&mut self, source: &mut Source<'_>) -> Result<(), StreamError> {
        let mut trailer = [0; 8];
        for place in &mut trailer {
            *place = source.byte()?.ok_or_else(|| cut(source))?;
        }
        let [.., a, b, c, d] = trailer;
        if u64::from(u32::from_le_bytes([a, b, c, d])) != self.inflate.total_out() & 0xffff_ffff {
            return Err(corrupt(source, "length of a member is wrong"));
        }
        self.members += 1;
        self.state = State::Header;
        Ok(())
    }
}

fn header(source: &mut Source<'_>) -> Result<Result<(), NotGzip>, StreamError> {
    // A magic that straddles two chunks must be looked at byte by byte; what was no header is garbage anyway.
    for expected in [0x1f, 0x8b, 8] {
        if source.byte()? != Some(expected) {
            return Ok(Err(NotGzip));
        }
    }
    let mut next = || source.byte()?.ok_or_else(|| cut(source));
    let flags = next()?;
    for _ in 0..6 {
        next()?;
    }
    if flags & 4 != 0 {
        let length = u16::from_le_bytes([next()?, next()?]);
        for _ in 0..length {
            next()?;
        }
    }
    for text in [8, 16] {
        if flags & text != 0 {
            while next()? != 0 {}
        }
    }
    if flags & 2 != 0 {
        next()?;
        next()?;
    }
    Ok(Ok(()))
}

fn corrupt(source: &Source<'_>, why: &str) -> StreamError {
    LayerFault::Compressed { format: "gzip", offset: source.position(), why: why.to_owned() }.into()
}

fn cut(source: &Source<'_>) -> StreamError {
    LayerFault::Cut { format: "gzip", offset: source.position() }.into()
}

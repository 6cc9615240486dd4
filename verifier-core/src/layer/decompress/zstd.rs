//! Zstandard: several frames, skippable ones among them, RFC 8878.

use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::source::Source;
use super::stream::StreamError;
use crate::layer::LayerFault;

/// The largest window that is given memory: 128 MiB, the most that any level without `--long` asks for.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) struct Zstd {
    decoder: Decoder<'static>,
    /// Within a frame: the stream must not end here.
    open: bool,
    /// Frames that are complete.
    frames: u64,
    ended: bool,
    /// The decoder holds output that did not fit.
    pending: bool,
}

impl Zstd {
    pub(super) fn new() -> std::io::Result<Zstd> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Zstd { decoder, open: false, frames: 0, ended: false, pending: false })
    }

    /// Fills `out` as far as it goes; 0 at the end.
    pub(super) fn fill(&mut self, source: &mut Source<'_>, out: &mut [u8]) -> Result<usize, StreamError> {
        let mut filled = 0;
        while !self.ended
            && let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty())
        {
            let input = source.fill()?;
            if input.is_empty() && !self.pending {
                if self.open {
                    return Err(LayerFault::Cut { format: "zstd", offset: source.position() }.into());
                }
                self.ended = true;
                break;
            }
            let room_len = room.len();
            match self.decoder.run_on_buffers(input, room) {
                Ok(status) => {
                    filled += status.bytes_written;
                    self.open = status.remaining != 0;
                    self.frames += u64::from(!self.open);
                    self.pending = status.bytes_written == room_len;
                    source.consume(status.bytes_read);
                }
                // Something else follows the last frame.
                Err(_) if !self.open && self.frames > 0 => self.ended = true,
                Err(error) => {
                    let (offset, why) = (source.position(), error.to_string());
                    return Err(LayerFault::Compressed { format: "zstd", offset, why }.into());
                }
            }
        }
        Ok(filled)
    }
}

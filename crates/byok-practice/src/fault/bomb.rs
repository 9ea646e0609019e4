//! Gzip, for honest compression of an answer and for a small body that unpacks to a large one.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, GzBuilder, Status, write::GzEncoder};

/// Each piece compressed and flushed, so that a stream stays a stream.
pub fn gzip(pieces: &[Bytes]) -> io::Result<Vec<Bytes>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut packed = Vec::with_capacity(pieces.len() + 1);
    for piece in pieces {
        encoder.write_all(piece)?;
        encoder.flush()?;
        packed.push(Bytes::from(std::mem::take(encoder.get_mut())));
    }
    packed.push(Bytes::from(encoder.finish()?));
    Ok(packed)
}

/// A gzip file of `mebibytes` MiB of spaces, then `body`: valid JSON for whoever unpacks all of it. One MiB
/// is compressed once and repeated, about a kilobyte each.
pub fn bomb(mebibytes: u64, body: &[u8]) -> io::Result<Vec<Bytes>> {
    let spaces = vec![b' '; 1 << 20];
    let block = Bytes::from(deflate(&spaces, FlushCompress::Full)?);
    let mut block_sum = Crc::new();
    block_sum.update(&spaces);
    let mut sum = Crc::new();
    for _ in 0..mebibytes {
        sum.combine(&block_sum);
    }
    sum.update(body);
    let header = GzBuilder::new()
        .write(Vec::new(), Compression::best())
        .finish()?;
    let mut pieces = vec![Bytes::copy_from_slice(&header[..10])];
    pieces.extend((0..mebibytes).map(|_| block.clone()));
    let mut tail = deflate(body, FlushCompress::Finish)?;
    tail.extend(sum.sum().to_le_bytes());
    tail.extend(sum.amount().to_le_bytes());
    pieces.push(Bytes::from(tail));
    Ok(pieces)
}

fn deflate(bytes: &[u8], flush: FlushCompress) -> io::Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(bytes.len() / 2 + 1024);
    let status =
        Compress::new(Compression::best(), false).compress_vec(bytes, &mut packed, flush)?;
    match status {
        Status::Ok | Status::StreamEnd => Ok(packed),
        Status::BufError => Err(io::Error::other("the compressed block did not fit")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_bomb_is_small_and_unpacks_to_its_size_and_body() {
        let packed = bomb(3, b"{\"a\":1}").unwrap().concat();
        assert!(packed.len() < 8 << 10, "{}", packed.len());
        let mut text = String::new();
        GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text.len(), (3 << 20) + 7);
        assert_eq!(text.trim_start(), "{\"a\":1}");
    }

    #[test]
    fn compressed_pieces_can_be_read_as_they_come() {
        let packed = gzip(&[Bytes::from("one "), Bytes::from("two")]).unwrap();
        let mut decoder = GzDecoder::new(packed[0].as_ref());
        let mut first = [0; 4];
        decoder.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"one ");
    }
}

//! gzip and deflate of bodies, as HTTP names them ("deflate" is zlib's wrapper).

use crate::base::fault::{Fault, Kind};
use flate2::{Compression, read, write};
use std::io::{Read, Write};

/// How a body is coded on the wire, other than as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
}

const STEP: usize = 32 << 10;

impl Coding {
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    /// What `Content-Encoding` says; `None`: the body is as it is.
    pub fn of_request(header: &str) -> Result<Option<Coding>, Fault> {
        match header.trim() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Coding::Gzip)),
            "deflate" => Ok(Some(Coding::Deflate)),
            other => Err(Fault::new(
                Kind::Unsupported,
                format!("Unsupported compression type: '{other}'; gzip, deflate and identity are taken"),
            )),
        }
    }

    /// The first of gzip, deflate and identity with the highest weight in `Accept-Encoding`, as Triton picks.
    pub fn accepted(header: &str) -> Option<Coding> {
        let mut best = (0_u32, None);
        for item in header.split(',') {
            let (name, rest) = item.split_once(';').unwrap_or((item, ""));
            let coding = match name.trim() {
                "gzip" => Some(Coding::Gzip),
                "deflate" => Some(Coding::Deflate),
                "identity" => None,
                _ => continue,
            };
            let weight = thousandths(rest);
            if weight > best.0 {
                best = (weight, coding);
            }
        }
        best.1
    }
}

/// `q=0.5` is 500; nothing is 1000; nonsense is 0.
fn thousandths(parameters: &str) -> u32 {
    let Some(weight) = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q=")) else {
        return 1000;
    };
    let mut digits = weight.bytes().filter(|byte| *byte != b'.').map(|byte| char::from(byte).to_digit(10));
    (0..4).try_fold(0, |sum, _| Some(sum * 10 + digits.next().unwrap_or(Some(0))?)).unwrap_or(0)
}

/// Hands the plain bytes to `sink`, piece by piece: memory is the sink's to reserve, the size is bounded here.
/// No ratio is: a tensor of zeros compresses a thousandfold. Which of the two wrappers it is, is told from the bytes, as Triton does.
pub fn inflate(
    body: &[u8],
    limit: usize,
    mut sink: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let broken = |error: std::io::Error| Fault::invalid(format!("the compressed body is broken: {error}"));
    let mut gzip;
    let mut zlib;
    let reader: &mut dyn Read = if body.starts_with(&[0x1f, 0x8b]) {
        gzip = read::MultiGzDecoder::new(body);
        &mut gzip
    } else {
        zlib = read::ZlibDecoder::new(body);
        &mut zlib
    };
    let mut piece = vec![0; STEP];
    let mut total = 0_usize;
    loop {
        let len = reader.read(&mut piece).map_err(broken)?;
        if len == 0 {
            return Ok(());
        }
        total += len;
        if total > limit {
            let note = format!("the decompressed body exceeds the maximum allowed value of {limit} bytes");
            return Err(Fault::new(Kind::TooLarge, note));
        }
        sink(piece.get(..len).unwrap_or_default())?;
    }
}

/// All pieces as one body, at the fastest level: a server's time is dearer than a network's last per cent.
pub fn deflate<'a>(pieces: impl Iterator<Item = &'a [u8]>, coding: Coding) -> std::io::Result<Vec<u8>> {
    let level = Compression::fast();
    match coding {
        Coding::Gzip => {
            let mut out = write::GzEncoder::new(Vec::new(), level);
            for piece in pieces {
                out.write_all(piece)?;
            }
            out.finish()
        }
        Coding::Deflate => {
            let mut out = write::ZlibEncoder::new(Vec::new(), level);
            for piece in pieces {
                out.write_all(piece)?;
            }
            out.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(body: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        inflate(body, limit, |piece| {
            out.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn the_heaviest_of_what_is_known_is_picked() {
        let table = [
            ("", None),
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate", Some(Coding::Gzip)),
            ("deflate, gzip", Some(Coding::Deflate)),
            ("gzip;q=0.5, deflate;q=0.8", Some(Coding::Deflate)),
            ("gzip;q=0.5, identity", None),
            ("gzip;q=0", None),
            ("*, br, zstd", None),
            ("br, gzip;q=0.001", Some(Coding::Gzip)),
            ("gzip;q=x", None),
        ];
        for (header, want) in table {
            assert_eq!(Coding::accepted(header), want, "{header}");
        }
        assert_eq!(Coding::of_request("br").unwrap_err().kind, Kind::Unsupported);
        assert_eq!(Coding::of_request(" identity"), Ok(None));
    }

    #[test]
    fn a_body_is_bounded_by_its_size_and_not_by_how_well_it_was_packed() {
        let zeros = vec![0; 16 << 20];
        let mut best = write::GzEncoder::new(Vec::new(), Compression::best());
        best.write_all(&zeros).unwrap();
        let packed = best.finish().unwrap();
        assert!(packed.len() * 500 < zeros.len(), "{} bytes are not few", packed.len());
        assert_eq!(plain(&packed, zeros.len()).unwrap().len(), zeros.len());
        let mut taken = 0;
        let fault = inflate(&packed, 1 << 20, |piece| {
            taken += piece.len();
            Ok(())
        });
        assert_eq!(fault.unwrap_err().kind, Kind::TooLarge);
        assert!(taken <= 1 << 20, "{taken}");
    }

    #[test]
    fn a_cut_body_is_told() {
        let whole = deflate([&b"abcabcabc"[..]].into_iter(), Coding::Gzip).unwrap();
        assert_eq!(plain(&whole[..whole.len() - 3], 100).unwrap_err().kind, Kind::Invalid);
    }

    proptest! {
        #[test]
        fn bodies_come_back(a: Vec<u8>, b: Vec<u8>, gzip: bool) {
            let coding = if gzip { Coding::Gzip } else { Coding::Deflate };
            let coded = deflate([&a[..], &b[..]].into_iter(), coding).unwrap();
            prop_assert_eq!(plain(&coded, usize::MAX).unwrap(), [a, b].concat());
        }

        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = plain(&body, 1 << 20);
        }
    }
}

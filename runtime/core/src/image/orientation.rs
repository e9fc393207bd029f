//! How a camera was held: the EXIF orientation.

/// The eight ways to lay an image out, as EXIF numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orientation(u16);

impl Orientation {
    pub(crate) const UPRIGHT: Orientation = Orientation(1);

    /// Reads tag 0x0112 of an EXIF block (a TIFF header and its first directory). Whatever is wrong with
    /// the block, the image is still good, and upright.
    pub(crate) fn of(exif: &[u8]) -> Orientation {
        find(exif).filter(|value| (1..=8).contains(value)).map_or(Orientation::UPRIGHT, Orientation)
    }

    /// Rows and columns change places.
    pub(crate) fn is_transposed(self) -> bool {
        self.0 >= 5
    }

    /// Turns a `height` x `width` RGB picture, as stored, into `out`: the same size, or `width` x `height`
    /// where it is transposed.
    pub(crate) fn turn(self, stored: &[u8], width: usize, height: usize, out: &mut [u8]) {
        let columns = if self.is_transposed() { height } else { width };
        for (at, pixel) in out.chunks_exact_mut(3).enumerate() {
            let (row, column) = (at / columns, at % columns); // as the viewer counts
            let (x, y) = match self.0 {
                2 => (width - 1 - column, row),
                3 => (width - 1 - column, height - 1 - row),
                4 => (column, height - 1 - row),
                5 => (row, column),
                6 => (row, height - 1 - column),
                7 => (width - 1 - row, height - 1 - column),
                8 => (width - 1 - row, column),
                _ => (column, row),
            };
            let start = (y * width + x) * 3;
            if let Some(from) = stored.get(start..start + 3) {
                pixel.copy_from_slice(from);
            }
        }
    }
}

fn find(exif: &[u8]) -> Option<u16> {
    let big = match exif.first_chunk::<4>()? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = *exif.get(at..)?.first_chunk::<2>()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let bytes = *exif.get(4..)?.first_chunk::<4>()?;
    let directory = if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    let directory = usize::try_from(directory).ok()?;
    let entries = usize::from(u16_at(directory)?);
    // An entry: tag, type (3 is a short), count, and a short's value in the first half of the last field.
    let mut starts = (0..entries).map_while(|entry| directory.checked_add(2 + entry * 12));
    let start = starts.find(|start| u16_at(*start) == Some(0x0112))?;
    (u16_at(start.checked_add(2)?)? == 3).then_some(())?;
    u16_at(start.checked_add(8)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A directory of two entries, the second of them the orientation.
    pub(in crate::image) fn exif(orientation: u16, big: bool) -> Vec<u8> {
        let fields = [(0x0100_u16, 4_u16, 9_u16), (0x0112, 3, orientation)];
        let two = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let four = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut out = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        out.extend(four(8));
        out.extend(two(2));
        for (tag, kind, value) in fields {
            out.extend([two(tag), two(kind)].concat());
            out.extend(four(1));
            out.extend([two(value), two(0)].concat());
        }
        out
    }

    #[test]
    fn both_byte_orders_are_read() {
        for value in 1..=8 {
            assert_eq!(Orientation::of(&exif(value, true)), Orientation(value));
            assert_eq!(Orientation::of(&exif(value, false)), Orientation(value));
        }
    }

    #[test]
    fn a_broken_block_is_upright() {
        for value in [0, 9, u16::MAX] {
            assert_eq!(Orientation::of(&exif(value, true)), Orientation::UPRIGHT);
        }
        let good = exif(6, false);
        for len in 0..30 {
            assert_eq!(Orientation::of(&good[..len]), Orientation::UPRIGHT, "{len} bytes");
        }
        let mut far = good;
        far[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Orientation::of(&far), Orientation::UPRIGHT);
    }

    #[test]
    fn each_orientation_lays_the_picture_out_for_the_viewer() {
        // Stored as two rows of three: 0 1 2 / 3 4 5.
        let stored: Vec<u8> = (0..6).flat_map(|value| [value; 3]).collect();
        let table: [(u16, [u8; 6]); 8] = [
            (1, [0, 1, 2, 3, 4, 5]),
            (2, [2, 1, 0, 5, 4, 3]),
            (3, [5, 4, 3, 2, 1, 0]),
            (4, [3, 4, 5, 0, 1, 2]),
            (5, [0, 3, 1, 4, 2, 5]),
            (6, [3, 0, 4, 1, 5, 2]),
            (7, [5, 2, 4, 1, 3, 0]),
            (8, [2, 5, 1, 4, 0, 3]),
        ];
        for (value, seen) in table {
            let mut out = vec![99; stored.len()];
            Orientation(value).turn(&stored, 3, 2, &mut out);
            let out: Vec<u8> = out.chunks_exact(3).map(|pixel| pixel[0]).collect();
            assert_eq!(out, seen, "orientation {value}");
        }
    }
}

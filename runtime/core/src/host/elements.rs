//! BYTES tensors: each element is its length (u32, little-endian) and its bytes.

use bytes::Bytes;

const PREFIX: usize = 4;

/// Views of exactly `count` elements, or `None` when the lengths do not add up to the data.
pub(super) fn split(data: &Bytes, count: usize) -> Option<Vec<Bytes>> {
    if data.len() / PREFIX < count {
        return None; // before memory is taken for a count that cannot be true
    }
    let mut elements = Vec::with_capacity(count);
    let mut at = 0;
    for _ in 0..count {
        let start = at + PREFIX;
        let prefix = data.get(at..start)?;
        let len = usize::try_from(u32::from_le_bytes(prefix.try_into().ok()?)).ok()?;
        at = start.checked_add(len).filter(|end| *end <= data.len())?;
        elements.push(data.slice(start..at));
    }
    (at == data.len()).then_some(elements)
}

/// Elements on their way out, as they lie on the wire, with the places where they begin.
#[derive(Debug, Default)]
pub struct Elements {
    data: Vec<u8>,
    starts: Vec<usize>,
}

/// An element of 4 GiB or more has no length on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Elements {
    pub fn push(&mut self, element: &[u8]) -> Result<(), TooLong> {
        let len = u32::try_from(element.len()).map_err(|_| TooLong)?;
        self.starts.push(self.data.len());
        self.data.extend_from_slice(&len.to_le_bytes());
        self.data.extend_from_slice(element);
        Ok(())
    }

    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// The whole data, and where each element begins; the end of the data is the last entry.
    pub(super) fn into_parts(mut self) -> (Vec<u8>, Vec<usize>) {
        self.starts.push(self.data.len());
        (self.data, self.starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(parts: &[&[u8]]) -> Bytes {
        let mut elements = Elements::default();
        parts.iter().for_each(|part| elements.push(part).unwrap());
        elements.into_parts().0.into()
    }

    #[test]
    fn elements_round_trip() {
        for parts in [&[] as &[&[u8]], &[b""], &[b"a", b"", b"cde"]] {
            let split = split(&encoded(parts), parts.len()).unwrap();
            assert_eq!(split.iter().map(|part| &part[..]).collect::<Vec<_>>(), parts);
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let data = encoded(&[b"ab", b"c"]);
        assert_eq!(split(&data, 1), None, "something is left");
        assert_eq!(split(&data, 3), None, "something is missing");
        assert_eq!(split(&data.slice(..data.len() - 1), 2), None, "cut off");
        assert_eq!(split(&Bytes::from_static(&[255; 4]), 1), None, "longer than the data");
        assert_eq!(split(&Bytes::from_static(&[0; 3]), 1), None, "less than a length");
        assert_eq!(split(&Bytes::new(), usize::MAX), None, "a count that cannot be");
    }

    #[test]
    fn starts_end_with_the_end() {
        let mut elements = Elements::default();
        elements.push(b"ab").unwrap();
        elements.push(b"").unwrap();
        assert_eq!(elements.count(), 2);
        assert_eq!(elements.into_parts().1, [0, 6, 10]);
    }
}

//! A tensor: a datatype, a shape, and bytes that are shared, never copied.

use super::datatype::Datatype;
use bytes::Bytes;
use smallvec::SmallVec;

/// Sizes of the axes, the batch axis first. Never negative once a tensor is built.
pub type Shape = SmallVec<[i64; 4]>;

/// Row-major, little-endian, without padding. A BYTES element is its length (u32, little-endian) and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub datatype: Datatype,
    pub shape: Shape,
    pub data: Bytes,
}

impl Tensor {
    /// Its data is in memory of a device, and not in `data`: where, its call says (`OnDevice`).
    pub fn is_on_device(&self) -> bool {
        self.data.is_empty() && byte_len(self.datatype, &self.shape).is_some_and(|len| len > 0)
    }

    /// Of its data, wherever that is.
    pub fn byte_len(&self) -> usize {
        let elsewhere = || byte_len(self.datatype, &self.shape).unwrap_or(0);
        if self.data.is_empty() { elsewhere() } else { self.data.len() }
    }
}

/// How many elements a shape holds; `None` for a negative size or an overflow.
pub fn elements(shape: &[i64]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |count, size| count.checked_mul(usize::try_from(*size).ok()?))
}

/// How many bytes a tensor of a fixed-size datatype takes; `None` for BYTES, a bad shape or an overflow.
pub fn byte_len(datatype: Datatype, shape: &[i64]) -> Option<usize> {
    elements(shape)?.checked_mul(datatype.size()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_shapes_have_no_size() {
        assert_eq!(elements(&[2, 3]), Some(6));
        assert_eq!(elements(&[]), Some(1));
        assert_eq!(elements(&[2, -3]), None);
        assert_eq!(elements(&[i64::MAX, i64::MAX]), None);
        assert_eq!(byte_len(Datatype::Fp32, &[2, 3]), Some(24));
        assert_eq!(byte_len(Datatype::Bytes, &[2, 3]), None);
    }
}

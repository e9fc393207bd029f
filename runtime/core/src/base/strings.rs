//! Elements of a BYTES tensor: each is its length (u32, little-endian) and that many bytes.

/// Where a BYTES tensor stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Fewer than the four bytes of a length are left.
    #[error("incomplete string length indicator, expecting 4 bytes but only {left} bytes available")]
    Length { left: usize },
    /// A length says more than what is left.
    #[error("incomplete string data, expecting string of length {said} but only {left} bytes available")]
    Data { said: usize, left: usize },
}

/// The elements in order; after a [`Broken`] it ends.
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    rest: &'a [u8],
}

impl<'a> Strings<'a> {
    pub fn of(data: &'a [u8]) -> Strings<'a> {
        Strings { rest: data }
    }

    fn take(&mut self) -> Result<&'a [u8], Broken> {
        let left = self.rest.len();
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(Broken::Length { left })?;
        let said = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let broken = Broken::Data { said, left: rest.len() };
        let (element, rest) = rest.split_at_checked(said).ok_or(broken)?;
        self.rest = rest;
        Ok(element)
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = Result<&'a [u8], Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = self.take();
        if element.is_err() {
            self.rest = &[];
        }
        Some(element)
    }
}

/// How many elements a BYTES tensor holds. Touches four bytes of each.
pub fn count(data: &[u8]) -> Result<usize, Broken> {
    Strings::of(data).try_fold(0, |count, element| element.map(|_| count + 1))
}

/// Appends an element; `None`, and nothing appended, when it is too long for its length to be told.
#[must_use = "an element that is left out shifts all after it"]
pub fn push(data: &mut Vec<u8>, element: &[u8]) -> Option<()> {
    data.extend_from_slice(&u32::try_from(element.len()).ok()?.to_le_bytes());
    data.extend_from_slice(element);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_pushed_comes_back(elements: Vec<Vec<u8>>) {
            let mut data = Vec::new();
            for element in &elements {
                push(&mut data, element).unwrap();
            }
            let back: Result<Vec<_>, _> = Strings::of(&data).collect();
            prop_assert_eq!(back.unwrap(), elements.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(count(&data), Ok(elements.len()));
        }

        #[test]
        fn any_bytes_are_counted_or_refused(data: Vec<u8>) {
            let elements = Strings::of(&data).filter_map(Result::ok).count();
            prop_assert!(count(&data).map_or(true, |count| count == elements));
        }
    }

    #[test]
    fn a_cut_is_told() {
        assert_eq!(count(&[1, 0, 0]), Err(Broken::Length { left: 3 }));
        assert_eq!(count(&[2, 0, 0, 0, 7]), Err(Broken::Data { said: 2, left: 1 }));
        assert_eq!(count(&[0xff, 0xff, 0xff, 0xff]), Err(Broken::Data { said: 0xffff_ffff, left: 0 }));
    }
}

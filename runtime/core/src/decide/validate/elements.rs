//! BYTES: do the elements' lengths add up to what came?

use crate::base::tensor::elements;

/// What is wrong with a BYTES tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// The shape's sizes multiply to more than fits a machine word.
    Uncountable,
    /// Fewer elements than the shape has room for.
    Few { want: usize, got: usize },
    /// At least one element more.
    Many { want: usize },
    /// Less than four bytes where a length should be.
    Length { left: usize },
    /// The data ends within an element.
    Data { len: usize, left: usize },
}

impl Bad {
    pub(super) fn told(self, name: &str, model: &str) -> String {
        match self {
            Bad::Uncountable => {
                format!(
                    "the shape of inference input '{name}' for model '{model}' has more elements than fit memory"
                )
            }
            Bad::Few { want, got } => {
                format!(
                    "expected {want} string elements for inference input '{name}' for model '{model}', got {got}"
                )
            }
            Bad::Many { want } => format!(
                "unexpected number of string elements {} for inference input '{name}' for model '{model}', \
                 expecting {want}",
                want.saturating_add(1)
            ),
            Bad::Length { left } => format!(
                "incomplete string length indicator for inference input '{name}' for model '{model}', expecting 4 \
                 bytes but only {left} bytes available"
            ),
            Bad::Data { len, left } => format!(
                "incomplete string data for inference input '{name}' for model '{model}', expecting string of length \
                 {len} but only {left} bytes available"
            ),
        }
    }
}

/// Walks the lengths only. Takes no memory, whatever the shape says.
pub(super) fn check(shape: &[i64], data: &[u8]) -> Result<(), Bad> {
    let want = elements(shape).ok_or(Bad::Uncountable)?;
    let (mut rest, mut got) = (data, 0);
    while !rest.is_empty() {
        if got == want {
            return Err(Bad::Many { want });
        }
        let (len, after) = rest.split_first_chunk::<4>().ok_or(Bad::Length { left: rest.len() })?;
        let len = u32::from_le_bytes(*len);
        let element = usize::try_from(len).ok().and_then(|len| after.get(len..));
        rest = element
            .ok_or(Bad::Data { len: usize::try_from(len).unwrap_or(usize::MAX), left: after.len() })?;
        got += 1;
    }
    if got < want { Err(Bad::Few { want, got }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_elements_can_be() {
        type Case = (&'static str, &'static [i64], &'static [u8], Result<(), Bad>);
        const TWO: &[u8] = &[1, 0, 0, 0, b'a', 0, 0, 0, 0];
        let cases: [Case; 8] = [
            ("two of two", &[1, 2], TWO, Ok(())),
            ("none of none", &[0], &[], Ok(())),
            ("two of three", &[3], TWO, Err(Bad::Few { want: 3, got: 2 })),
            ("two of one", &[1, 1], TWO, Err(Bad::Many { want: 1 })),
            ("half a length", &[1], &[1, 0], Err(Bad::Length { left: 2 })),
            ("half an element", &[1], &[5, 0, 0, 0, b'a'], Err(Bad::Data { len: 5, left: 1 })),
            ("a lie", &[1], &[255, 255, 255, 255], Err(Bad::Data { len: 4_294_967_295, left: 0 })),
            ("an endless shape", &[i64::MAX, i64::MAX], TWO, Err(Bad::Uncountable)),
        ];
        for (name, shape, data, want) in cases {
            assert_eq!(check(shape, data), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let mut data = Vec::new();
            for element in &elements {
                data.extend(u32::try_from(element.len()).unwrap().to_le_bytes());
                data.extend(element);
            }
            let count = i64::try_from(elements.len()).unwrap();
            prop_assert_eq!(check(&[count], &data), Ok(()));
            data.pop();
            prop_assert!(elements.is_empty() || check(&[count], &data).is_err());
        }
    }
}

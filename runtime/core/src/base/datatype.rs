//! The datatypes of the Open Inference Protocol.

macro_rules! datatypes {
    ($($name:ident = $number:literal $wire:literal $size:expr,)+) => {
        /// An element's type. The number is that of Triton's `model_config.proto` enum and travels in frames.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Datatype { $($name = $number,)+ }

        impl Datatype {
            pub const ALL: &'static [Datatype] = &[$(Datatype::$name,)+];

            /// The name on the wire, such as `FP32`.
            pub const fn name(self) -> &'static str {
                match self { $(Datatype::$name => $wire,)+ }
            }

            pub fn from_name(name: &str) -> Option<Datatype> {
                match name { $($wire => Some(Datatype::$name),)+ _ => None }
            }

            pub const fn number(self) -> u8 {
                self as u8
            }

            pub fn from_number(number: u8) -> Option<Datatype> {
                match number { $($number => Some(Datatype::$name),)+ _ => None }
            }

            /// Bytes an element takes; `None` for BYTES, whose elements have lengths of their own.
            pub const fn size(self) -> Option<usize> {
                match self { $(Datatype::$name => $size,)+ }
            }
        }
    };
}

datatypes! {
    Bool = 1 "BOOL" Some(1),
    Uint8 = 2 "UINT8" Some(1),
    Uint16 = 3 "UINT16" Some(2),
    Uint32 = 4 "UINT32" Some(4),
    Uint64 = 5 "UINT64" Some(8),
    Int8 = 6 "INT8" Some(1),
    Int16 = 7 "INT16" Some(2),
    Int32 = 8 "INT32" Some(4),
    Int64 = 9 "INT64" Some(8),
    Fp16 = 10 "FP16" Some(2),
    Fp32 = 11 "FP32" Some(4),
    Fp64 = 12 "FP64" Some(8),
    Bytes = 13 "BYTES" None,
    Bf16 = 14 "BF16" Some(2),
}

impl<'de> serde::Deserialize<'de> for Datatype {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Datatype, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Datatype::from_name(&name).ok_or_else(|| serde::de::Error::custom(format!("{name:?} is no datatype")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_round_trip() {
        for datatype in Datatype::ALL {
            assert_eq!(Datatype::from_name(datatype.name()), Some(*datatype));
            assert_eq!(Datatype::from_number(datatype.number()), Some(*datatype));
        }
        assert_eq!((Datatype::from_name("fp32"), Datatype::from_number(0)), (None, None));
    }
}

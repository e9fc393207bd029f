//! Enums that travel as numbers and are shown as words.

/// An enum whose variants have a number each, for frames, and a word, for people.
macro_rules! numbered {
    ($(#[$meta:meta])* $Enum:ident: $($(#[$of:meta])* $name:ident = $number:literal $code:literal,)+) => {
        $(#[$meta])*
        #[repr(u8)]
        pub enum $Enum { $($(#[$of])* $name = $number,)+ }

        impl $Enum {
            /// Every one, written by the same macro that writes the enum.
            pub const ALL: &'static [$Enum] = &[$($Enum::$name,)+];

            /// The stable word used in logs and as a metric label.
            pub const fn code(self) -> &'static str {
                match self { $($Enum::$name => $code,)+ }
            }

            /// The number that stands for it in frames; never reassigned.
            pub const fn number(self) -> u8 {
                self as u8
            }

            pub fn from_number(number: u8) -> Option<$Enum> {
                match number { $($number => Some($Enum::$name),)+ _ => None }
            }
        }
    };
}

pub(crate) use numbered;
